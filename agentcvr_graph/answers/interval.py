"""The kind `interval`: start and end in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.times import TIME, read_time_s
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

_INTERVAL = re.compile(
    rf"^\W*(?:from\s+)?({TIME})\s*s?\s*(?:-|\u2013|\u2014|to|,|and)\s*({TIME})\s*s?(?:econds)?\W*$",
    re.I,
)


def parse(raw: object, options: Sequence[str], n_items: int) -> tuple[float, float]:
    """Return (start_s, end_s) for [74, 89], '74-89', '1:14 to 1:29' or {"start_s": 74, "end_s": 89}."""
    start_s, end_s = _ends(raw)
    if not (math.isfinite(start_s) and math.isfinite(end_s)) or start_s < 0 or end_s <= start_s:
        raise ActionError(f"The interval {start_s:g}-{end_s:g} s must start at 0 or later and end after its start.")
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
    if isinstance(raw, dict):
        mapping = cast(dict[str, Any], raw)
        raw = [mapping.get("start_s", mapping.get("start")), mapping.get("end_s", mapping.get("end"))]
    if isinstance(raw, str):
        match = _INTERVAL.match(raw)
        raw = list(match.groups()) if match else raw
    if isinstance(raw, list | tuple):
        ends = cast(Sequence[object], raw)
        if len(ends) == 2:
            try:
                return read_time_s(ends[0]), read_time_s(ends[1])
            except ValueError:
                pass
    raise ActionError(f"{raw!r} is not an interval; write it as [start_s, end_s].")


INTERVAL = AnswerSpec(
    name="interval",
    format="the interval in seconds, for example [74.0, 89.0]",
    parse=parse,
    text=text,
    score=score,
)
