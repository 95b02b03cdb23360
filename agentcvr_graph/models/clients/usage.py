"""Read the token counts that servers report: integers, fractions, numbers as text, null, or some of them missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage

from agentcvr_graph.types import Cost

MAX_TOKENS = 10**12
"""Larger counts are not believed."""


def count(value: object) -> int:
    """Return a count of tokens, rounded; 0 for what is no count.

    >>> count(12.6), count("7"), count(None), count("n/a")
    (13, 7, 0, 0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0
    return round(number) if math.isfinite(number) and 0 <= number <= MAX_TOKENS else 0


def counts(usage: object) -> tuple[int, int]:
    """Return the tokens of the input and of the output, under the names that servers use."""
    if not isinstance(usage, Mapping):
        return 0, 0
    given = cast(Mapping[str, Any], usage)
    read = count(given.get("input_tokens")) or count(given.get("prompt_tokens"))
    written = count(given.get("output_tokens")) or count(given.get("completion_tokens"))
    return read, written or max(0, count(given.get("total_tokens")) - read)


def cost_of(message: AIMessage) -> Cost:
    """Return the cost of one call of a chat model, with its tokens if the model reports them."""
    read, written = counts(message.usage_metadata)
    return Cost(input_tokens=read, output_tokens=written, model_calls=1)
