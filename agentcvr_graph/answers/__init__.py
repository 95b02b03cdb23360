"""The six answer kinds: one parser, one validator and one scorer each.

The graph parses what the master wrote with these, rewards and benchmarks score with these, so a value that counts as
valid in training counts as valid everywhere. Parsing is generous about form ("b)", "2, 1, 3", "1:14 - 1:29") and strict
about content: a letter beyond the options, an order that leaves one out or an interval that ends before it starts is an
`ActionError`, worded for the master.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, cast

from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import Answer, AnswerKind, AnswerValue, Citation, QuestionKind

KINDS: tuple[AnswerKind, ...] = ("choice", "choices", "order", "interval", "number", "text")
ANSWER_FORMATS: dict[AnswerKind, str] = {
    "choice": 'the letter of one option, for example "B"',
    "choices": 'the letters of all options that hold, for example ["A", "C"]',
    "order": 'the numbers in order, for example "2->1->3"',
    "interval": "the interval in seconds, for example [74.0, 89.0]",
    "number": "a number, for example 3",
    "text": "a short text",
}
"""What the master reads about the form of an answer of each kind."""
MAX_OPTIONS = len(ascii_uppercase)

_NO_WORD = re.compile(r"\b(?:a|an|the)\b|[^\w\s]")
_ORDER_SEPARATORS = re.compile(r"\s*(?:->|→|>|,|;|\bthen\b|\s)\s*")
_TIME = r"(?:\d+:)?(?:\d+:)?\d+(?:\.\d+)?"
_INTERVAL = re.compile(
    rf"^\W*(?:from\s+)?({_TIME})\s*s?\s*(?:-|\u2013|\u2014|to|,|and)\s*({_TIME})\s*s?(?:econds)?\W*$", re.I
)


def resolve_kind(kind: QuestionKind, options: Sequence[str]) -> AnswerKind:
    """`auto` means `choice` where there are options, else `text`.

    Raises:
        InputError: the kind is unknown, needs options and has none, or there are more options than letters.
    """
    if kind == "auto":
        kind = "choice" if options else "text"
    if kind not in KINDS:
        raise InputError(f"Unknown answer kind {kind!r}.", fix=f"Choose one of: auto, {', '.join(KINDS)}.")
    if kind in ("choice", "choices") and len(options) < 2:
        raise InputError(
            f"A question of kind {kind!r} needs at least 2 options, and has {len(options)}.",
            fix="Add options, or choose kind 'text'.",
        )
    if len(options) > MAX_OPTIONS:
        raise InputError(
            f"{len(options)} options are more than there are letters.",
            fix=f"Give at most {MAX_OPTIONS} options.",
        )
    return kind


def parse_answer(
    raw: object,
    kind: AnswerKind,
    options: Sequence[str],
    n_items: int,
    *,
    rationale: str = "",
    citations: Sequence[Citation] = (),
) -> Answer:
    """The typed answer for what the master wrote as `value`.

    Args:
        n_items: how many things an `order` puts in order.

    Raises:
        ActionError: the value does not fit the kind; the message says what does.
    """
    try:
        value = _PARSERS[kind](raw, options, n_items)
    except (ValueError, OverflowError, RecursionError) as error:  # numbers of thousands of digits, lists in lists
        raise ActionError(f"That is no answer of kind {kind!r}.") from error
    return Answer(
        kind=kind,
        value=value,
        text=answer_text(kind, value, options),
        rationale=rationale,
        citations=tuple(citations),
    )


def answer_text(kind: AnswerKind, value: AnswerValue, options: Sequence[str]) -> str:
    """The value in words, as `Answer.text` holds it."""
    if kind == "choice":
        return options[ascii_uppercase.index(cast(str, value))]
    if kind == "choices":
        return "; ".join(options[ascii_uppercase.index(letter)] for letter in cast(list[str], value))
    if kind == "interval":
        start_s, end_s = cast(tuple[float, float], value)
        return f"{start_s:.1f}-{end_s:.1f} s"
    return f"{value:g}" if isinstance(value, float) else str(value)


def score_answer(kind: AnswerKind, value: AnswerValue, key: AnswerValue) -> float:
    """How right a value is, from 0 to 1.

    Exact for `choice`, `order` and `number`, as sets for `choices`, temporal IoU for `interval` (CrossVid's FSA rule:
    intersection over the span from the first start to the last end), and `token_f1` for `text`.
    """
    if kind == "choices":
        return float(set(cast(Sequence[str], value)) == set(cast(Sequence[str], key)))
    if kind == "interval":
        return temporal_iou(cast(tuple[float, float], value), cast(tuple[float, float], key))
    if kind == "number":
        return float(math.isclose(float(cast(float, value)), float(cast(float, key)), rel_tol=1e-6, abs_tol=1e-9))
    if kind == "text":
        return token_f1(str(value), str(key))
    return float(str(value).strip().casefold() == str(key).strip().casefold())


def token_f1(value: str, key: str) -> float:
    """Harmonic mean of precision and recall of words, without case, punctuation and articles (SQuAD's F1).

    It needs no judge, gives credit for part of an answer, and none for naming everything.

    >>> token_f1("The onions, for her boss", "onions; for my boss")
    0.75
    """
    one, other = (Counter(_NO_WORD.sub(" ", text.casefold()).split()) for text in (value, key))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


def temporal_iou(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Intersection over (last end - first start); 0 where that span is 0.

    >>> temporal_iou((0.0, 10.0), (5.0, 15.0))
    0.3333333333333333
    """
    span_s = max(one[1], other[1]) - min(one[0], other[0])
    overlap_s = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, overlap_s) / span_s if span_s > 0 else 0.0


def _parse_choice(raw: object, options: Sequence[str], n_items: int) -> str:
    items = cast(list[object], raw) if isinstance(raw, list) else [raw]
    if len(items) != 1:
        raise ActionError(f"One letter is wanted, not {len(items)}.")
    return _letter(str(items[0]), options)


def _letter(text: str, options: Sequence[str]) -> str:
    """The option's letter for 'b', '(B)', 'B. its text', 'Option B', or for the option's text alone."""
    wanted = text.strip().casefold()
    for letter, option in zip(ascii_uppercase, options, strict=False):
        if wanted == option.strip().casefold():
            return letter
    match = re.match(r"^\W*(?:option\s+|answer\s*:?\s+)?([a-z])(?:\W|$)", wanted)
    letters = ascii_uppercase[: len(options)]
    if match is None or match[1].upper() not in letters:
        raise ActionError(f"{text.strip()!r} is not one of the options {letters[0]} to {letters[-1]}.")
    return match[1].upper()


def _parse_choices(raw: object, options: Sequence[str], n_items: int) -> list[str]:
    if isinstance(raw, str):
        raw = " ".join(raw.split())
        letters_only = re.fullmatch(r"[A-Za-z]{2,}", raw.strip()) and len(raw.strip()) <= len(options)
        raw = list(raw.strip()) if letters_only else re.split(r"\s*(?:,|;|\band\b|&)\s*", raw.strip(" []()"))
    if not isinstance(raw, list):
        raise ActionError(f"A list of letters is wanted, not {raw!r}.")
    letters = {_letter(str(item).strip("'\" "), options) for item in cast(list[object], raw) if str(item).strip()}
    if not letters:
        raise ActionError("At least one letter is wanted.")
    return sorted(letters)


def _parse_order(raw: object, options: Sequence[str], n_items: int) -> str:
    if isinstance(raw, list):
        tokens = [str(item) for item in cast(list[object], raw)]
    else:
        tokens = [token for token in _ORDER_SEPARATORS.split(" ".join(str(raw).split()).strip(" []()")) if token]
    if len(tokens) == 1 and tokens[0].isdigit() and 1 < len(tokens[0]) == n_items <= 9:
        tokens = list(tokens[0])
    numbers = [_position(token) for token in tokens if not re.fullmatch(r"(?i)videos?|items?|and", token)]
    if sorted(numbers) != list(range(1, n_items + 1)):
        example = "->".join(str(n) for n in range(1, n_items + 1))
        raise ActionError(f"{raw!r} does not put 1 to {n_items} in order, each once, as in '{example}'.")
    return "->".join(str(number) for number in numbers)


def _position(token: str) -> int:
    """1 for '1', '1.', 'video1' or 'A'; 0 for anything else."""
    digits = re.search(r"\d+", token)
    if digits:
        return int(digits[0])
    letter = token.strip(" .():").upper()
    return ascii_uppercase.index(letter) + 1 if len(letter) == 1 and letter in ascii_uppercase else 0


def _parse_interval(raw: object, options: Sequence[str], n_items: int) -> tuple[float, float]:
    start_s, end_s = _interval_ends(raw)
    if not (math.isfinite(start_s) and math.isfinite(end_s)) or start_s < 0 or end_s <= start_s:
        raise ActionError(f"The interval {start_s:g}-{end_s:g} s must start at 0 or later and end after its start.")
    return start_s, end_s


def _interval_ends(raw: object) -> tuple[float, float]:
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
                return _clock_s(ends[0]), _clock_s(ends[1])
            except ValueError:
                pass
    raise ActionError(f"{raw!r} is not an interval; write it as [start_s, end_s].")


def _clock_s(value: object) -> float:
    """Seconds for 74, '74.0', '74 s', '1:14' or '0:01:14'."""
    total_s = 0.0
    for part in str(value).strip().rstrip("s ").split(":"):
        total_s = total_s * 60 + float(part)
    return total_s


def _parse_number(raw: object, options: Sequence[str], n_items: int) -> float:
    items = cast(list[object], raw) if isinstance(raw, list) else [raw]
    match = (
        re.search(r"[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?", str(items[0]).replace(" ", "")) if len(items) == 1 else None
    )
    value = float(match[0].replace(",", ".")) if match and not isinstance(raw, bool) else math.nan
    if not math.isfinite(value):
        raise ActionError(f"{raw!r} is not a number.")
    return value


def _parse_text(raw: object, options: Sequence[str], n_items: int) -> str:
    text = str(raw).strip() if raw is not None else ""
    if not text:
        raise ActionError("The answer is empty.")
    return text


_PARSERS = {
    "choice": _parse_choice,
    "choices": _parse_choices,
    "order": _parse_order,
    "interval": _parse_interval,
    "number": _parse_number,
    "text": _parse_text,
}
