"""Words around an option or a number in a short statement: fillers, verdicts, negations, continuations."""

from __future__ import annotations

import re

from agentcvr_graph.answers.folding import NO_MARKS, YES_MARKS

FILLER = re.compile(
    r"(?:\s+|[:=~\"']+|[-=]+>|-(?=\s)"
    rf"|[{YES_MARKS}\u2234]"
    r"|(?:the|that|this|it|it's|it'd|its|is|be|are|was|were|la|el|le|der|die|das|den|(?-i:a(?=\s+[B-Z]\b))|most|more|very|quite|likely|probably|possibly|clearly|definitely"
    r"|certainly|simply|actually|indeed|therefore|thus|hence|then|so|still|just|perhaps|maybe|obviously|one|correct|right"
    r"|best|true|final|answers?|choice|options?|letters?|going|to|would|will|must|should|but|rather|instead|i|we|think|believe|say|choose|pick|select|go|with"
    r"|for|both|only|following|statements?|and|here|my|i'd|i'll)\b)",
    re.I,
)
"""One word or sign that may stand before the answer in a statement and carries no answer itself."""
NOT = re.compile(
    r"(?:not|neither|never|isn't|aren't|wasn't|cannot\s+be|can't\s+be|anything\s+but|except|i\s+(?:was\s+going\s+to|would\s+have|wanted\s+to))\b|不是|並非|并非|非|不(?:[能应應该該要可])*[选選][择擇]?|排除",
    re.I,
)
"""At the start of a statement: the option behind it is denied."""
DENIED = re.compile(
    r"\s*would\s+(?:be|have\s+been)\b[^.;!?\n]{0,80}\bif\b"
    r"|\s*,?\s*which\s+(?:is|was)\s+(?:false|wrong|incorrect|untrue|not\s+(?:true|correct|right))\b"
    r"|\s*(?:is\s+|was\s+)?only\s+(?:happens|occurs|appears|applies|shown|seen|visible|present)\b"
    r"|\s*[:(-]?\s*(?:(?:is|are|was|were|does|do|did|can|could|would|should|has|have|had|seems?|looks?|being|may|might)"
    r"\s*(?:also\s+|clearly\s+|definitely\s+|obviously\s+|be\s+)?)?"
    r"(?:not\b(?!\s+[(\[]?(?:option\s+)?(?-i:[A-Z])\b)|n't|never\b|cannot\b|can't\b|isn't\b|aren't\b|wasn't\b|doesn't\b|don't\b|didn't\b|won't\b|wouldn't\b"
    r"|no\b(?!\s*[A-Z\d])|wrong\b|incorrect\b|false\b|unlikely\b|impossible\b|invalid\b|untrue\b|less\s+likely|(?:the\s+)?(?:wrong|worst|least|second)\b|partially\b|partly\b|ruled\s+out|discarded\b|dismissed\b|eliminated\b"
    rf"|excluded\b|unsupported\b|irrelevant\b|[{NO_MARKS}]"
    r"|(?:选项|選項|[项項はがは是는은이가都也一定肯定并並])*\s*(?:[不错錯误誤违違没沒未]|間違|正しくな|正解ではな|ではな|じゃな|아니|아닙|틀)"
    r"|не\s|неправ|неверн|ошиб)",
    re.I,
)
"""Behind an option: what is said denies it."""
ALTERNATIVE = re.compile(
    r"(?:\s*(?:,|;|/|\\|&|\||\+|\n|->)\s*(?:and/or\b|and\b|or\b)?\s*"
    r"|\s*(?:and/or|and|or|nor|then|vs\.?|versus|oder|und|ou|et|(?-i:y|o|e)|или|и)\s+"
    r"|\s*(?:和|或者|或|與|与|及|以及|と|か|또는|과|와)\s*)",
    re.I,
)
"""Behind an option: another one may follow as an equal."""
LABEL_SUFFIX = (
    r"(?=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3])(?![^,.;:!?\n]{0,14}(?:[不没沒]|ではな|じゃな|ません|아니|아닙|않|틀))(?:选项|選項|[项項号號番번])?(?:(?:[はがで与為为]|才?是|就是|이|가|은|는|번)?\s*"
    r"(?:$|[\s.,:;!)\]}(]|正[确確解しい]|[对對]|最|更|符合|適切|です|だ(?![けが])|である|でしょう|입니다|이다|이에요|예요|맞|정답|옳|적절|답)"
    r"|を[選えに]|[을를로]|と[思考判な言]|に[なし]|因为|因為|由于|由於)"
)
"""Behind an option's letter in Chinese, Japanese or Korean: what leaves it an answer."""
REASON = re.compile(
    r"\s*(?:[-,;:(.]+\s*)?(?:because|since|as\b|so\b|which|that\b|based|according|due|given|not\b|rather|instead|with\s+a\s+confidence"
    r"|i\b|it\b|he\b|she\b|they\b|we\b|you\b|this\b|there\b|where\b|when\b|while\b|although|even\b|in\s+(?:the|my|both|all|video)\b"
    r"|at\s+\d|from\b|for\b|[a-z]*?ing\b)",
    re.I,
)
"""Behind an option's text: an explanation starts."""
SECOND_THOUGHT = re.compile(
    r"\b(?:but|however|though|although|yet|wait|actually|sorry|correction|rather|second\s+thoughts?|hmm+|no(?=\W*[,.:;!-])|scratch\s+that|i\s+mean"
    r"|make\s+(?:it|that)|perhaps|maybe|possibly|alternatively|otherwise|else|or|also|even)\b[,.:;!\s-]*"
    r"(?:(?:it|that|this|the\s+(?:right\s+|correct\s+)?(?:answer|one))(?:'s|\s+(?:is|was|may\s+be|might\s+be|could\s+be|should\s+be))\s+)?"
    r"(?:(?:perhaps|maybe|possibly|also|even|rather|the)\s+)*",
    re.I,
)
"""Behind an option: words that set another one against it, if one follows: "B, or rather C"."""
ALSO = re.compile(
    r"\s+(?:(?:is|was|seems|looks)\s+(?:also|equally|just\s+as|another|possible|plausible|similar)\b|too\b"
    r"|(?:could|might|may|would|can)\s+(?:also|equally|be|fit|match|work|apply|hold)\b)",
    re.I,
)
"""Behind another option: what is said leaves it an answer as well."""
TAKEN_BACK = re.compile(
    r"(?:^|[.!?;\n-]\s*)(?:(?:hmm+|oh|ah|no|but|well|ok(?:ay)?)[,.!\s]+)*"
    r"(?:wait\b|correction\b|scratch\s+that|(?:on\s+)?second\s+thoughts?\b|i\s+take\s+(?:that|it)\s+back|let\s+me\s+(?:re-?|double-?)\s?\w+"
    r"|(?:that|this)(?:'s|\s+(?:is|was))\s+(?:not\s+(?:right|correct)|wrong|incorrect)|i\s+was\s+wrong|i\s+made\s+a\s+mistake|my\s+mistake"
    r"|actually\b[^.!?\n]{0,40}?\b(?:it(?:'s|\s+is|\s+was)|the\s+answer|i)\b)",
    re.I,
)
"""Behind a statement: a sentence that takes it back."""
CLAUSE_END = re.compile(r"[,.;:!\n]|\b(?:so|but|therefore|hence|thus|leaving|then)\b", re.I)
ENDS = re.compile(r"[\s.!;)\]}\"'*]*$")
VERDICT = re.compile(
    r"(?P<no>(?:(?:is|does|are|do)\s+)?(?:not\s+(?:\w+)|no\b|false\b|wrong\b|incorrect\b|absent\b|unsupported\b|untrue\b|doesn't\s+\w+|isn't\s+\w+)"
    rf"|[{NO_MARKS}]|不(?:正确|对|是)|错误?|\u00d7|否)"
    rf"|(?P<yes>(?:is\s+)?(?:yes\b|true\b|correct\b|right\b|holds?\b|present\b|supported\b|applies\b)|[{YES_MARKS}]|正确|对|是)",
    re.I,
)
"""The verdict on one option in a list of verdicts."""
