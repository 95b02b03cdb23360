"""The kind `choice`: the letter of one option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.letters import option_of, read_letter
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue


def parse(raw: object, options: Sequence[str], n_items: int) -> str:
    """Return the letter of the one option that is named."""
    items = cast(list[object], raw) if isinstance(raw, list) else [raw]
    if len(items) != 1:
        raise ActionError(f"One letter is wanted, not {len(items)}.")
    return read_letter(str(items[0]), options)


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the option's text."""
    return option_of(cast(str, value), options)


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same letter, else 0."""
    return float(str(value).strip().casefold() == str(key).strip().casefold())


CHOICE = AnswerSpec(
    name="choice",
    format='the letter of one option, for example "B"',
    parse=parse,
    text=text,
    score=score,
    needs_options=True,
    chance=lambda n_options, n_videos: 1 / n_options,
)
