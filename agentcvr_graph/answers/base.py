"""What defines an answer kind: the form the master reads, and the functions that parse, word and score a value.

A kind is one module that makes one `AnswerSpec`, and one line in `registry.py`. The graph, the benchmarks, the rewards
and the script checks ask the spec, so a value that is valid in training is valid everywhere. A value has one of the
shapes of `AnswerValue`, because trajectories, checkpoints and result files store it as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.types import AnswerValue


def accept_any(options: Sequence[str], n_items: int) -> None:
    """Accept every question; the default of `AnswerSpec.check`."""


def value_as_text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the value as it is written; the default of `AnswerSpec.text`."""
    return str(value)


def text_schema(labels: Sequence[str], n_items: int) -> dict[str, Any]:
    """Return the schema of a short text; the default of `AnswerSpec.schema`."""
    return {"type": "string", "minLength": 1, "maxLength": 300}


@dataclass(frozen=True)
class AnswerSpec:
    """One answer kind."""

    name: str
    """What `Question.kind` says."""
    format: str
    """The form of a value, as the master reads it in the brief."""
    parse: Callable[[object, Sequence[str], int], AnswerValue]
    """(raw value, options, number of items to order) -> valid value.

    The raw value is JSON, or a statement of one or a few lines that `reading.py` found in a reply. Generous about form
    and strict about content: raises `ActionError`, worded for the master, where the value does not fit, and
    `UnclearError` where it names an answer but not plainly one; then no other place in the reply is tried.
    `ValueError`, `OverflowError` and `RecursionError` count as a value that does not fit. Parsing a valid value returns
    that value.
    """
    score: Callable[[AnswerValue, AnswerValue], float]
    """(value, key) -> 0 (wrong) to 1 (right); both are valid values."""
    text: Callable[[AnswerValue, Sequence[str]], str] = value_as_text
    """(value, options) -> the value in words, as `Answer.text` holds it."""
    check: Callable[[Sequence[str], int], None] = accept_any
    """(options, number of items to order) -> None; raises `InputError` where the question does not fit the kind."""
    schema: Callable[[Sequence[str], int], dict[str, Any]] = text_schema
    """(labels of the options, number of items to order) -> the JSON schema of a value, for models whose reply is
    constrained to one."""
    spans_lines: bool = False
    """Whether a value may be written over several lines, as a list is."""
    takes_any_text: bool = False
    """Whether any text is a value. Then only a label such as "Answer:" is removed from a reply."""
    needs_options: bool = False
    """Whether a question must have at least 2 options to choose from."""
    takes_options: bool = True
    """Whether a question may have options at all. Without, they are refused: no reading of an answer would use them."""
    numbers_options: bool = False
    """Whether options are labelled 1, 2, ... (things to put in order) and not A, B, ... (things to choose from)."""
    chance: Callable[[int, int], float] | None = None
    """(number of options, number of videos) -> the expected score of a value drawn evenly from all valid ones; None
    where they cannot be counted."""
