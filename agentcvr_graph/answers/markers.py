"""Find where a reply states its answer: tags, boxes, JSON objects, and words such as "Answer:" in many languages.

`find_statements` returns the explicit statements in the order of the reply; `find_hints` returns weaker ones ("I think
it is B", "**B**"). Neither knows answer kinds or options. A phrase that asks for the answer, denies it, or leaves it
open ("I need to know what the answer is") is no statement.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from agentcvr_graph.answers.folding import fold, plain
from agentcvr_graph.answers.phrases import TAKEN_BACK

MAX_OBJECTS = 50
"""Failed attempts to parse JSON in a reply; each takes time."""
MAX_PLACES = 50
"""Statements and hints of a reply that are read, from its end."""
MAX_PASSAGE = 600
"""Characters of a statement that are read."""
_OPEN, _CLOSE = "\x02", "\x03"
HELD = re.compile(rf"{_OPEN}(\d+){_CLOSE}")
"""The placeholder of a tag, a box or a JSON object that was taken out of a text."""
_LINKED = re.compile(
    rf"{HELD.pattern}(?:[ \t]*(?:[,;/&+]|\b(?:and|or|und|oder|et|ou|y|o)\b|和|或|と|か)?[ \t]*{HELD.pattern})+"
)
"""Several tags or boxes that state one answer together: "\\boxed{A} and \\boxed{C}"."""
_MAX_LINKED = 12
"""Characters of each of them; longer ones are statements of their own."""
_TAGGED = re.compile(
    r"<(?P<tag>final[_ -]?answer|answer|ans|final|response|solution|choice|result|option)\b[^<>\n]{0,60}>"
    r"(?P<tagged>.{0,4000}?)(?:</(?P=tag)\s*>|\Z)"
    r"|<\|begin_of_box\|>(?P<box>.{0,4000}?)(?:<\|end_of_box\|>|\Z)"
    r"|<\|begin_of_solution\|>(?P<solution>.{0,8000}?)(?:<\|end_of_solution\|>|\Z)"
    r"|\[(?P<bracket>answer|ans)\](?P<bracketed>.{0,4000}?)(?:\[/(?P=bracket)\]|\Z)"
    r"|\[\[(?P<double>[^\[\]\n]{1,200})\]\]"
    r"|####\s*(?P<hashes>[^\s#][^\n]{0,100})\Z",
    re.S | re.I,
)
_BOXED = re.compile(r"\\+(?:boxed|fbox|framebox)\s*\{")
_MAX_BOX = 4000
_ENGLISH = r"answers?|ans|(?:my|final)\s+(?:choice|pick|selection|guess|decision|verdict|response|option)"
_CORRECT = (
    r"(?:correct|right|best|final|chosen|selected|most\s+(?:likely|plausible|accurate|appropriate|suitable))\s+"
    r"(?:option|choice|letter|one|response|selection|statement|candidate|match)s?"
)
_OTHER = (
    r"respuestas?|opci[oó]n\s+correcta|r[eé]ponse|antwort|l[öo]sung|risposta|opzione\s+corretta|resposta|op[cç][aã]o\s+correta"
    r"|antwoord|odpowied[zź]|cevap|yan[\u0131i]t|jawaban(?:nya)?|svar|vastaus|odpov[eě][dď]|v[aá]lasz|r[aă]spuns(?:ul)?|bonne\s+r[eé]ponse"
    r"|ответ|відповідь|правильный\s+вариант|απάντηση|đáp\s+án|câu\s+trả\s+lời|תשובה"
)
_UNSPACED = (
    r"(?:最终|最終|正确|正確|标准|参考)?的?(?:答案|选项|選項)|回答|(?:正)?答え?|正解|정답|답변|답"
    r"|الإجابة(?:\s+الصحيحة)?|الجواب|إجابة|پاسخ|جواب"
    r"|उत्तर|คำตอบ|ค\u0e4d\u0e32ตอบ"
)
_NAME = rf"(?:(?<![\w'])(?:{_ENGLISH}|{_CORRECT}|{_OTHER})(?!\w)|{_UNSPACED})"
_BETWEEN = (
    r"(?:\s*\([^()\n]{0,40}\))?"
    r"(?:\s+(?:to|for|of|from|in|here|choice|option|letter|key|that|correcta|correcte|correcto|korrekte|corretta|correta|number|đúng)\b"
    r"[^.:;?!\n\x02]{0,80}?)?(?:\s+(?:\d+|therefore|thus|then|clearly|most\s+likely|probably))?"
)
_IS = (
    r"(?:\s*[\"']?\s*(?::|=+>?|->)|\s+-(?=\s)"
    r"|\s+(?:is|are|was|would(?:\s+\w+ly)?\s+be|should(?:\s+\w+ly)?\s+be|must(?:\s+\w+ly)?\s+be|will\s+be|has\s+to\s+be|(?:appears|seems)\s+to\s+be"
    r"|es|est|ist|sono|são|é|è|jest|to|là|adalah|lautet|on|är|er|je)(?!\w)(?:\s*:)?"
    r"|\s*(?:应该是|應該是|应为|應為|就是|是|为|為|は|が|는|은|가|이|هي|هو|คือ)\s*:?"
    r"|(?<=[^\x00-\x7f])[ \t]+(?=[(\[]?[A-Z]\b))"
)
_STATED = re.compile(
    rf"{_NAME}{_BETWEEN}(?P<is>{_IS})|^(?:the\s+)?(?:my\s+)?(?:final\s+|correct\s+)?answer[ \t]*(?P<heading>)$"
    rf"|{_OPEN}(?P<held>\d+){_CLOSE}"
    r"|(?:故|应该?|應該?|所以|因此|我)(?P<chosen>选择?|選擇?)(?!项|項)\s*:?",
    re.I | re.M,
)
_LEFT_OPEN = re.compile(
    r"(?:\b(?:not|n't|never|no|nor|doubt|hard|difficult|let's\s+say|if|whether|unless|until|before|unsure|unclear|unknown|determin\w+|decid\w+|what|which|find"
    r"|know|give|provid\w+|see|verify|check|an|possible|options?|what's|suppose|could|might|may)|n't|不是|并非|如果)\b"
    r"[^,.;:!?\n]{0,40}$",
    re.I,
)
_WRONG = re.compile(
    r"\b(?:incorrect|wrong|false|worst|least\s+\w+|second(?:\s+best)?|previous|prior|earlier|first|initial|original|trap|tempting"
    r"|misleading|naive|example|sample|dummy|reverse|reversed|opposite|inverse)\s+$",
    re.I,
)
_FOR_ONE = re.compile(
    r"\b(?:for|of|in|from)\s+(?:the\s+)?(?:first|second|third|fourth|other|video|clip|part|view)\b(?!\s+and\b)", re.I
)
"""An answer for one video or one part of the question."""
_OF_ONE = re.compile(rf"\s*(?=for\b){_FOR_ONE.pattern}", re.I)
_HYPOTHETIC = re.compile(r"\b(?:if|had)\b(?!\s+(?:i|we|you|one|forced|pressed|anything)\b)", re.I)
_QUESTION = re.compile(r"[^.!\n]{0,200}\?")
_OTHERWISE = re.compile(r"\b(?:if|otherwise|else)\b", re.I)
_LIST = re.compile(r"[ \t]*\n")
_HINTS = re.compile(
    r"\b(?:i|we)(?:'d|'ll|\s+would|\s+will|\s+can|\s+must|'m|\s+am)?(?:\s+(?:\w+ly|also|still|going))?"
    r"\s+(?:think|believe|say|guess|choose|chose|pick|picked|select|selected|conclude|go(?:ing)?\s+(?:with|for)|opt\s+for|vote\s+for"
    r"|answer|suspect|assume|infer|choosing|picking|selecting|lean\s+towards?|settle\s+on|confident|sure|certain)(?:\s+(?:that|in|on))?\s*:?"
    r"|\b(?:it|this|that)(?:'s|\s+(?:is|was|must\s+be|should\s+be|would\s+be|has\s+to\s+be|can\s+only\s+be|seems\s+to\s+be|appears\s+to\s+be"
    r"|points\s+to|corresponds\s+to|matches|means|leaves|suggests|indicates|shows|depicts|contains|features))"
    r"|\b(?:let's\s+go\s+with|evidence\s+supports|going\s+with|only(?=\s+[(A-Z])|leav(?:es|ing)(?:\s+only)?(?:\s+us\s+with)?|corresponds\s+to|matches|choose|select|pick)(?=\s)"
    r"|\b(?:so|thus|hence|therefore|consequently|in\s+conclusion|conclusion|overall|finally|in\s+short|verdict|result|selection|decision"
    r"|prediction|output|my\s+pick|choice)\b\s*[:,]?"
    r"|\b(?:order|sequence|interval|segment|count|total|number|time\s?span|span|range|duration|window|sum)\b[^.:;?!\n]{0,60}?(?:\s*[:=]|\s+(?:is|are|was|would\s+be|should\s+be))"
    r"|\b(?:option|choice|one|statement|letter|video|clip)\s+(?:that|which|with)\s+[^.:;?!\n]{1,60}?\s+is\b(?!\s+(?:not|wrong|incorrect)\b)"
    r"|(?:顺序|順序|区间|區間|数量|總數|总数|因此|所以|故|(?<!不)(?<!不能)(?<!不应)[选選][择擇]?)(?!项|項)(?:是|为|為|应该是)?\s*:?"
    r"|(?:creo\s+que\s+es|je\s+pense\s+que\s+c'est|ich\s+glaube,?\s+es\s+ist|penso\s+(?:che\s+)?sia|acho\s+que\s+é|думаю,?\s+(?:что\s+)?(?:это)?)",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[\w)\"'\]][.!?])\s+|\n+")
_SUBJECT = re.compile(
    r"(?P<subject>.{1,300}?)\s+(?:is|seems|looks|appears|would\s+be|must\s+be|should\s+be)\s+(?:to\s+be\s+)?(?:(?:clearly|therefore|thus|definitely|most|the|likely|only|best)\s+)*"
    r"(?:correct|right|true|best|answers?|choice|match|plausible|supported|option|one)\b",
    re.I,
)
_CONTRAST = re.compile(r"\b(?:but|however|though|although|yet)\b", re.I)
_BOLD = re.compile(r"\*\*+\s*([^*\n]{1,200}?)\s*\*\*+|__([^_\n]{1,200})__")

_SENTENCE_GOES_ON = re.compile(r"[ \t]+(?!because\b|since\b|as\b)[a-z]")
"""Behind a letter in bold: a sentence about that option."""


class Statement(NamedTuple):
    """A place in a reply that states an answer."""

    said: Any
    """What stands there: text of a line or block, or a JSON object."""
    firm: bool
    """Whether a sign and not a sentence marks it: a tag, a box, a colon."""
    lines: str = ""
    """The text to the end of the block, for kinds whose values span lines."""
    is_held: bool = False
    """Whether a tag, a box or a JSON object holds it."""
    rest: str = ""
    """The reply from there on: what is said of the answer afterwards."""


class Marked(NamedTuple):
    """A reply with its tags, boxes and JSON objects taken out."""

    text: str
    """Plain text with a placeholder for each."""
    held: list[Any]

    @property
    def words(self) -> str:
        """The plain text without placeholders."""
        return HELD.sub(" ", self.text).strip()


def take_out(text: str) -> Marked:
    """Return a reply as plain text, with what tags, boxes and JSON objects hold apart from it."""
    held: list[Any] = []

    def hold(value: object) -> str:
        held.append(value)
        return f"{_OPEN}{len(held) - 1}{_CLOSE}"

    text = fold(text.replace(_OPEN, "").replace(_CLOSE, ""))
    text = _TAGGED.sub(lambda match: hold(_content(match)) if _content(match) else " ", text)
    text = _hold_boxes(text, hold)
    text = _LINKED.sub(lambda match: _joined(match[0], held, hold), text)
    return Marked(plain(_hold_objects(text, hold)), held)


def _joined(places: str, held: list[Any], hold: Callable[[object], str]) -> str:
    """Return one placeholder for several that stand together, if each holds a few characters; they may be the same."""
    parts = [str(held[int(number)]).strip() for number in HELD.findall(places)]
    if any(len(part) > _MAX_LINKED for part in parts):
        return places
    text = re.sub(rf"{_CLOSE}[ \t]*{_OPEN}", f"{_CLOSE}, {_OPEN}", places)
    return hold(HELD.sub(lambda match: str(held[int(match[1])]), text) if len(set(parts)) > 1 else parts[0])


def _content(match: re.Match[str]) -> str:
    names = ("tagged", "box", "solution", "bracketed", "double", "hashes")
    return next((match[name] for name in names if match[name]), "").strip()


def _hold_boxes(text: str, hold: Callable[[object], str]) -> str:
    parts: list[str] = []
    position = 0
    while match := _BOXED.search(text, position):
        end = _closing(text, match.end())
        parts += [text[position : match.start()], hold(text[match.end() : end].strip())]
        position = end + 1
    return "".join([*parts, text[position:]]) if parts else text


def _closing(text: str, start: int) -> int:
    """Return the position of the brace that closes the one before `start`; the end of the text if there is none."""
    depth = 1
    for position in range(start, min(len(text), start + _MAX_BOX)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
    return len(text)


def _hold_objects(text: str, hold: Callable[[object], str]) -> str:
    decoder, parts = json.JSONDecoder(), list[str]()
    position, search, failed = 0, 0, 0
    while failed < MAX_OBJECTS and (found := text.find("{", search)) >= 0:
        try:
            value, end = decoder.raw_decode(text, found)
        except (ValueError, RecursionError):
            search, failed = found + 1, failed + 1
            continue
        parts += [text[position:found], hold(value)]
        position = search = end
    return "".join([*parts, text[position:]]) if parts else text


def find_statements(marked: Marked) -> list[Statement]:
    """Return the last explicit statements of an answer, in the order of the reply."""
    return list(deque(_statements(marked), MAX_PLACES))


def _statements(marked: Marked) -> Iterator[Statement]:
    text = marked.text
    for match in _STATED.finditer(text):
        if match["held"]:
            yield Statement(marked.held[int(match["held"])], firm=True, is_held=True, rest=text[match.end() :])
            continue
        line_start = text.rfind("\n", 0, match.start()) + 1
        before = text[max(line_start, match.start() - 120) : match.start()]
        if (
            _LEFT_OPEN.search(before)
            or _WRONG.search(before)
            or _is_conditional(before, match["is"], text, match.end())
        ):
            continue
        if _FOR_ONE.search(match[0]):
            continue
        said, block = _behind(text, match.end())
        if said and not HELD.search(said) and not _QUESTION.fullmatch(said):
            firm = match["is"] is None or match["is"].rstrip().endswith((":", "=", ">", "-"))
            yield Statement(said, firm, block, rest=text[match.end() :])


def _is_conditional(before: str, is_: str | None, text: str, end: int) -> bool:
    """Return whether a sentence says what the answer would be in a case, or in one case and in another."""
    after = re.split(r"[.;]\s|\n", text[end : end + 200])[0]
    if is_ and "would" in is_.casefold() and (_HYPOTHETIC.search(before) or _HYPOTHETIC.search(after)):
        return True
    return (
        re.search(r"\bif\b", before, re.I) is not None
        and _OTHERWISE.search(text[end : end + 200].partition("\n")[0]) is not None
    )


def _is_hypothetic(sentence: str) -> bool:
    """Return whether a sentence says what would be right if things were otherwise."""
    return "would" in sentence.casefold() and _HYPOTHETIC.search(sentence) is not None


def _behind(text: str, start: int) -> tuple[str, str]:
    """Return the rest of the line, or the next line if there is no rest; and the text from there to the block's end."""
    while _LIST.match(text, start):
        start = text.index("\n", start) + 1
    block = text[start : start + MAX_PASSAGE].split("\n\n")[0]
    return block.partition("\n")[0].strip(), block.strip()


def is_taken_back(statement: Statement) -> bool:
    """Return whether a sentence behind a statement takes it back: "Answer: B. Wait, it is C."."""
    return TAKEN_BACK.search(statement.rest) is not None


def find_hints(reply: str, words: str) -> list[str]:
    """Return the last weaker statements: opinions, conclusions, subjects that are called correct, and bold words."""
    return list(deque(_hints(reply, words), MAX_PLACES))


def _hints(reply: str, words: str) -> Iterator[str]:
    text = fold(reply)
    for match in _BOLD.finditer(text):
        bold = plain(match[1] or match[2])
        if len(bold) > 1 or not _SENTENCE_GOES_ON.match(text, match.end()):
            yield bold
    for sentence in _SENTENCE.split(words):
        if sentence.rstrip().endswith("?") or _OF_ONE.match(sentence) or _is_hypothetic(sentence):
            continue
        for match in _HINTS.finditer(sentence):
            before = sentence[max(0, match.start() - 120) : match.start()]
            if not (_LEFT_OPEN.search(before) or _WRONG.search(before)):
                yield sentence[match.end() : match.end() + MAX_PASSAGE].strip(" :,")
        if (match := _SUBJECT.match(sentence)) and not _CONTRAST.search(sentence):
            yield (
                re.split(r"[,:]\s*|\b(?:so|therefore|thus|hence|option)\b", match["subject"])[-1].strip()
                or match["subject"]
            )
