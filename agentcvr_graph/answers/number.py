"""The kind `number`: one finite number.

A text must hold exactly one number: two, a bound ("at least 3"), a label ("video 2") or a multiplier ("3 million")
leave open which number is meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, shortened, without_remarks
from agentcvr_graph.answers.letters import UnclearError
from agentcvr_graph.answers.numerals import NUMERAL, read_number
from agentcvr_graph.answers.shapes import is_list
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

_BEFORE = re.compile(
    r"(?:\b(?:at|from|since|until|till|after|before|need|looked\s+at|watched|at\s+least|at\s+most|more\s+than|less\s+than|fewer\s+than|over|under|above|below|up\s+to|not|isn't|n't|never|between"
    r"|videos?|clips?|options?|frames?|segments?|scenes?|steps?|views?|parts?|question|section)\s*#?|[<>\u2264\u2265\u00b1^]=?|#?\bno\b|第)\s*$",
    re.I,
)
_AFTER = re.compile(
    r"(?!(?:s|kg|g|mg|m|cm|mm|km|h|l|ml|px|fps|hz|w|v|c|f|t)\b)[A-Za-z]{1,2}\b|x\d|\s*(?:bn|mn|mio)\b|\s*(?:thousands?|millions?|billions?|dozens?|hundreds?|trillions?|or\s+(?:more|less|so|fewer)|\+|/|\^|:"
    r"|\u00b1|[\u5341\u767e\u5343\u4e07\u842c\u4ebf\u5104])|[\u00b2\u00b3\u00b9\u00bc-\u00be\u2150-\u215e]"
    r"|\s*at\s+(?:most|least)\b|\s*frames?\b|\s*(?:s|secs?|seconds?|min|minutes?)?\s+(?:long|more)\b"
    r"|\s+of\s+(?:the|these|those)\s+(?:videos|clips|frames)\b|\s*\?"
)
_NEGATIVE = re.compile(r"\b(?:minus|negative)\s+(?=\d)", re.I)
_EQUALS = re.compile(r"(?<![<>!~\u2264\u2265])=")
_HAS_DIGIT = re.compile(r"\d")


def parse(raw: object, options: Sequence[str], n_items: int) -> float:
    """Return the only number in the value: 3.0 for 3, '3', '1,234' -> 1234.0, or 'about 3 kg'."""
    if is_list(raw):
        items = raw
        if len(items) != 1:
            raise UnclearError(f"One number is wanted, not {len(items)}.")
        return parse(items[0], options, n_items)
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ActionError(f"{shortened(raw)} is not a number.")
    value = float(raw) if isinstance(raw, int | float) else _of_text(raw)
    if not math.isfinite(value):
        raise ActionError(f"{shortened(raw)} is not a number.")
    return value


def _of_text(raw: str) -> float:
    text = plain(fold(raw))
    result = _EQUALS.split(text)[-1]
    text = result if _HAS_DIGIT.search(result) else text
    outside = without_remarks(text)
    text = _NEGATIVE.sub("-", outside if _HAS_DIGIT.search(outside) else text)
    found = list(NUMERAL.finditer(text))
    digits = len(_HAS_DIGIT.findall(text))
    if not digits:
        raise ActionError(f"{shortened(raw)} is not a number.")
    if len(found) != 1 or digits != len(_HAS_DIGIT.findall(found[0][0])) or not _stands_alone(text, found[0]):
        raise UnclearError(f"{shortened(raw)} is not plainly one number; write it in digits, as in 3.")
    return read_number(found[0][0])


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Return whether neither the words before nor those behind change what the number says."""
    before = text[max(0, match.start() - 40) : match.start()]
    spaced_sign = before.rstrip().endswith("-") and not re.search(r"[\w)]\s+-\s*$", before)
    return not (spaced_sign or _BEFORE.search(before) or _AFTER.match(text, match.end()))


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the number without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same number (within rounding of floats), else 0."""
    return float(math.isclose(float(cast(float, value)), float(cast(float, key)), rel_tol=1e-6, abs_tol=1e-9))


NUMBER = AnswerSpec(
    name="number",
    format="a number, for example 3",
    parse=parse,
    text=text,
    score=score,
    schema=lambda labels, n_items: {"type": "number"},
    takes_options=False,
)
