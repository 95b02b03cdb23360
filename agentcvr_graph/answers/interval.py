"""The kind `interval`: start and end in seconds.

A text must hold exactly two times, in seconds or as h:mm:ss, with nothing but a range's words between them. The
numbers of videos do not count. Frames, minutes and percentages are refused, because they are no seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, shortened
from agentcvr_graph.answers.letters import UnclearError
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

STARTS = (
    "start_s",
    "start",
    "start_time",
    "start_sec",
    "starttime",
    "begin",
    "begin_s",
    "from",
    "t_start",
    "start_seconds",
    "beginning",
)
ENDS = (
    "end_s",
    "end",
    "end_time",
    "end_sec",
    "endtime",
    "stop",
    "until",
    "to",
    "t_end",
    "end_seconds",
    "finish",
    "ending",
)
_VIDEO = re.compile(
    r"\b(?:in\s+|of\s+|from\s+)?(?:the\s+)?(?:videos?|clips?|vid)\s*(?:no\.?\s*|#\s*|number\s+)?[A-Z]?\d*\b(?:\s*[:,;])?|\b[Vv]\d{1,2}\b[:,]?|视频\s*\d*[:,]?",
    re.I,
)
_TIME = re.compile(
    r"(?<![A-Za-z0-9_:])(?<!\d\.)(?:(?<![\w)\]])-)?(?:\d+(?::\d{1,2}){1,2}(?:[.,]\d{1,6}(?![\d:]))?|\d+(?:\.\d+)?|(?<![.\d])\.\d+)(?![\d:]|\.\d)"
)
_IN_WORDS = re.compile(
    r"(?<![\w.:])(?:(\d{1,2})\s*(?:h|hrs?|hours?|小时|時間|시간)\s*)?(\d{1,3})\s*(?:m|mins?|minutes?|分钟?|分鐘?|분)\s*"
    r"(\d{1,2}(?:\.\d+)?)\s*(?:s\b|secs?\b|seconds?\b|秒|초)"
    r"|(?<![\w.:])(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)\s*min(?:utes?)?\b",
    re.I,
)
"""Minutes and seconds in words: "1m12s", "1 min 12 s", "1:12 min"."""
_SECONDS = r"(?:\s*(?:s|secs?|seconds?|segundos?|секунд[аы]?|secondes?|sekunden)\b\.?|\s*[秒초]|\s*[\"\u2033])?"
_GLUE = re.compile(
    rf"{_SECONDS}(?:\s|->|[-~,;|]|\.{{2,3}}|\b(?:to|and|until|till|through|thru|ends?|ending|end_time|end_s|start|starts?|at|stops?|about|around"
    r"|approximately|the|is|time|roughly|it|up|bis|und|a|à|до|по|hasta|ate|até|finish(?:es)?|continues|lasts)\b|[:=()\[\]\"'第]|至|到|から|まで|부터|까지|에서)*",
    re.I,
)
_NO_SECONDS_AFTER = re.compile(
    r"\s*(?:%|percent|m\b|min|minutes?\b|ms\b|millis|h\b|hours?\b|hrs?\b|frames?\b|fps|people\b|persons?\b|times\b|years?\b|cars\b|'|-?th\b|[x*/])",
    re.I,
)
_NO_SECONDS_BEFORE = re.compile(
    r"\b(?:frames?|minutes?|steps?|pages?|questions?|options?)\s*(?:numbers?\s*)?(?:from\s+)?[:#]?\s*$", re.I
)
_REFUSED = re.compile(
    r"\b(?:not|no|n't|never|or|except|reference|ref|look(?:ed|ing)?\s+at|watch(?:ed|ing)?|sampled|length|duration\s+of)\b|n't\b|\?|^\s*(?:lasts?|runs)\b",
    re.I,
)
_DURATION = re.compile(
    r"\b(?:takes?|took|lasts?|lasting|every|each|for|there\s+(?:are|were))\s+(?:about\s+|around\s+)?$", re.I
)
_MOMENTS = re.compile(
    r"(?<!start )(?<!starts )(?<!begin )(?<!begins )(?<!starting )(?<!beginning )(?<!started )\bat\s+$", re.I
)
"""Before a time: it is a moment of its own, as in "at 12 and at 20 s"."""
_ELSEWHERE = re.compile(
    r"\b(?:is|was)\s+(?:not|never)\b|\b(?:reference|nothing|nowhere|not\s+(?:shown|found|visible|present))\b|\b(?:did|could)\s+not\b|n't\b",
    re.I,
)


def parse(raw: object, options: Sequence[str], n_items: int) -> tuple[float, float]:
    """Return (start_s, end_s) for [74, 89], '74-89', '1:14 to 1:29' or {"start_s": 74, "end_s": 89}."""
    start_s, end_s = _ends(raw)
    if not (math.isfinite(start_s) and math.isfinite(end_s)) or start_s < 0 or end_s <= start_s:
        raise UnclearError(f"The interval {start_s:g}-{end_s:g} s must start at 0 or later and end after its start.")
    return start_s, end_s


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return '74.0-89.0 s'."""
    start_s, end_s = cast(tuple[float, float], value)
    return f"{start_s:.1f}-{end_s:.1f} s"


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return the temporal IoU, CrossVid's rule for FSA."""
    return temporal_iou(cast(tuple[float, float], value), cast(tuple[float, float], key))


def temporal_iou(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return intersection over (last end - first start); 0 where that span is 0.

    >>> temporal_iou((0.0, 10.0), (5.0, 15.0))
    0.3333333333333333
    """
    span_s = max(one[1], other[1]) - min(one[0], other[0])
    overlap_s = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, overlap_s) / span_s if span_s > 0 else 0.0


def _ends(raw: object) -> tuple[float, float]:
    if is_object(raw):
        return _of_mapping(raw)
    if is_list(raw):
        items = raw
        if len(items) == 1:
            return _ends(items[0])
        if len(items) == 2:
            return _seconds(items[0], raw), _seconds(items[1], raw)
    elif isinstance(raw, str):
        return _of_text(raw)
    raise no_interval(raw)


def _of_mapping(raw: Mapping[object, object]) -> tuple[float, float]:
    fields = {re.sub(r"[\s-]", "_", str(name).strip().casefold()): value for name, value in raw.items()}
    if not re.fullmatch(r"s|secs?|seconds?|", str(fields.get("unit", fields.get("units", ""))).strip(), re.I):
        raise no_interval(raw)
    start, end = ([fields[name] for name in names if name in fields] for names in (STARTS, ENDS))
    if len(start) != 1 or len(end) != 1:
        raise no_interval(raw)
    return _seconds(start[0], raw), _seconds(end[0], raw)


def _seconds(value: object, raw: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise no_interval(raw)
    try:
        return read_time_s(plain(fold(value)) if isinstance(value, str) else value)
    except ValueError as error:
        raise no_interval(raw) from error


def _of_text(raw: str) -> tuple[float, float]:
    text = _IN_WORDS.sub(_clock, _VIDEO.sub(" ", plain(fold(raw))))
    found = _decimal_commas(text) or list(_TIME.finditer(text))
    if len(found) < 2:
        raise no_interval(raw)
    start, end = found[0], found[1]
    glue = _GLUE.match(text, start.end())
    between = text[start.end() : end.start()]
    if len(found) > 2 or not between or glue is None or glue.end() < end.start() or not _in_seconds(text, start, end):
        raise UnclearError(f"{shortened(raw)} is not plainly one interval; write it as [start_s, end_s] in seconds.")
    return _seconds(_time(start), raw), _seconds(_time(end), raw)


def _clock(match: re.Match[str]) -> str:
    """Return a time in words as h:mm:ss."""
    hours, minutes, seconds = match.groups()[:3] if match[2] else match.groups()[3:]
    return f"{hours or 0}:{int(minutes):02d}:{seconds.zfill(2) if seconds.isdecimal() else seconds}"


def _decimal_commas(text: str) -> list[re.Match[str]]:
    """Return the two times of "12,5-20,5"; none unless both sides of a dash or word are one number."""
    found = list(re.finditer(r"(?<![\d,.:])\d+,\d+(?![\d,.:])", text))
    return found if len(found) == 2 and len(re.findall(r"\d+", text)) == 4 else []


def _time(match: re.Match[str]) -> str:
    return match[0] if ":" in match[0] else match[0].replace(",", ".")


def _in_seconds(text: str, start: re.Match[str], end: re.Match[str]) -> bool:
    """Return whether the words around the times leave them seconds of one interval."""
    before, after = text[: start.start()], text[end.end() :]
    behind = re.match(_SECONDS, after, re.I)
    denied = _REFUSED.search(before[-80:]) or _REFUSED.match(after[behind.end() if behind else 0 :].lstrip())
    unit = (
        _NO_SECONDS_AFTER.match(after)
        or _NO_SECONDS_AFTER.match(text, start.end())
        or _NO_SECONDS_BEFORE.search(before)
    )
    denied = denied or _ELSEWHERE.search(re.split(r"[.;!\n]\s|\.$", after)[0])
    apart = _DURATION.search(before) or (
        _MOMENTS.search(before) and re.match(r"[^\w]*s?\W*(?:and|,)", text[start.end() :])
    )
    return not denied and not apart and not unit and not end[0].startswith("-")


def no_interval(raw: object) -> ActionError:
    """Return the error for a value that is no interval."""
    return ActionError(f"{shortened(raw)} is not an interval; write it as [start_s, end_s].")


INTERVAL = AnswerSpec(
    name="interval",
    format="the interval in seconds, for example [74.0, 89.0]",
    parse=parse,
    text=text,
    score=score,
    schema=lambda labels, n_items: {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    spans_lines=True,
    takes_options=False,
)
