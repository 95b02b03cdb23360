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
    r"(?:not|neither|never|isn't|aren't|wasn't|cannot\s+be|can't\s+be|anything\s+but|except)\b|不是|並非|并非|非", re.I
)
"""At the start of a statement: the option behind it is denied."""
DENIED = re.compile(
    r"\s*[:(-]?\s*(?:(?:is|are|was|were|does|do|did|can|could|would|should|has|have|had|seems?|looks?|being|may|might)"
    r"\s*(?:also\s+|clearly\s+|definitely\s+|obviously\s+|be\s+)?)?"
    r"(?:not\b(?!\s+[(\[]?(?:option\s+)?(?-i:[A-Z])\b)|n't|never\b|cannot\b|can't\b|isn't\b|aren't\b|wasn't\b|doesn't\b|don't\b|didn't\b|won't\b|wouldn't\b"
    r"|no\b(?!\s*[A-Z\d])|wrong\b|incorrect\b|false\b|unlikely\b|impossible\b|invalid\b|untrue\b|less\s+likely|(?:the\s+)?(?:wrong|worst|least|second)\b|partially\b|partly\b|ruled\s+out|discarded\b|dismissed\b|eliminated\b"
    rf"|excluded\b|unsupported\b|irrelevant\b|[{NO_MARKS}]|不|错|錯|ではない|ではありません|違|아니|틀|не\s)",
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
REASON = re.compile(
    r"\s*(?:[-,;:(.]+\s*)?(?:because|since|as\b|so\b|which|that\b|based|according|due|given|not\b|rather|instead|with\s+a\s+confidence"
    r"|i\b|it\b|he\b|she\b|they\b|we\b|you\b|this\b|there\b|where\b|when\b|while\b|although|even\b|in\s+(?:the|my|both|all|video)\b"
    r"|at\s+\d|from\b|for\b|[a-z]*?ing\b)",
    re.I,
)
"""Behind an option's text: an explanation starts."""
CLAUSE_END = re.compile(r"[,.;:!\n]|\b(?:so|but|therefore|hence|thus|leaving|then)\b", re.I)
ENDS = re.compile(r"[\s.!;)\]}\"'*]*$")
VERDICT = re.compile(
    r"(?P<no>(?:(?:is|does|are|do)\s+)?(?:not\s+(?:\w+)|no\b|false\b|wrong\b|incorrect\b|absent\b|unsupported\b|untrue\b|doesn't\s+\w+|isn't\s+\w+)"
    rf"|[{NO_MARKS}]|不(?:正确|对|是)|错误?|\u00d7|否)"
    rf"|(?P<yes>(?:is\s+)?(?:yes\b|true\b|correct\b|right\b|holds?\b|present\b|supported\b|applies\b)|[{YES_MARKS}]|正确|对|是)",
    re.I,
)
"""The verdict on one option in a list of verdicts."""
