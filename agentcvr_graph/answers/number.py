"""The kind `number`: one finite number."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?")


def parse(raw: object, options: Sequence[str], n_items: int) -> float:
    """Return the first number in the value: 3.0 for 3, '3' or 'about 3 kg'."""
    items = cast(list[object], raw) if isinstance(raw, list) else [raw]
    match = _NUMBER.search(str(items[0]).replace(" ", "")) if len(items) == 1 else None
    value = float(match[0].replace(",", ".")) if match and not isinstance(raw, bool) else math.nan
    if not math.isfinite(value):
        raise ActionError(f"{raw!r} is not a number.")
    return value


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the number without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same number (within rounding of floats), else 0."""
    return float(math.isclose(float(cast(float, value)), float(cast(float, key)), rel_tol=1e-6, abs_tol=1e-9))


NUMBER = AnswerSpec(name="number", format="a number, for example 3", parse=parse, text=text, score=score)
