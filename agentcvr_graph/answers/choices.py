"""The kind `choices`: the letters of all options that hold, sorted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.letters import option_of, read_letter
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue


def parse(raw: object, options: Sequence[str], n_items: int) -> list[str]:
    """Return the sorted letters of ["c", "A"], "A, C", "AC" or "A and C"."""
    if isinstance(raw, str):
        raw = " ".join(raw.split())
        letters_only = re.fullmatch(r"[A-Za-z]{2,}", raw.strip()) and len(raw.strip()) <= len(options)
        raw = list(raw.strip()) if letters_only else re.split(r"\s*(?:,|;|\band\b|&)\s*", raw.strip(" []()"))
    if not isinstance(raw, list):
        raise ActionError(f"A list of letters is wanted, not {raw!r}.")
    letters = {read_letter(str(item).strip("'\" "), options) for item in cast(list[object], raw) if str(item).strip()}
    if not letters:
        raise ActionError("At least one letter is wanted.")
    return sorted(letters)


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the options' texts, joined."""
    return "; ".join(option_of(letter, options) for letter in cast(list[str], value))


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same set of letters, else 0."""
    return float(set(cast(Sequence[str], value)) == set(cast(Sequence[str], key)))


CHOICES = AnswerSpec(
    name="choices",
    format='the letters of all options that hold, for example ["A", "C"]',
    parse=parse,
    text=text,
    score=score,
    needs_options=True,
    chance=lambda n_options, n_videos: 1 / (2**n_options - 1),
)
