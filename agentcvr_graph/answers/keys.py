"""Read gold keys strictly: the exact forms in which benchmarks write them, and nothing else.

A model's reply is read generously, because its meaning can be plain in many forms. A key decides what is true, so a
key in doubt is an error: two options with the same text, a letter that is also another option's text, an index that
may count from 0 or 1, a date-like number. A file may call its options otherwise than A, B, ...; then a key is read in
the file's labels. Loaders add the file and the row to the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, same_form, shortened
from agentcvr_graph.answers.interval import ENDS, STARTS
from agentcvr_graph.answers.letters import OptionSet, option_of, option_set
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import AnswerValue

_IN_FULL = re.compile(r"(?:option\s+)?[(\[]?\s*(\w{1,4})\s*(?:[)\]][.:]?|[.:,]|-(?=\s))\s*(\S.*)", re.S | re.I)
"""A label and the text behind it: "B. a blue ball"."""
_ALONE = re.compile(r"[(\[]\s*([^()\[\]]+?)\s*[)\]][.:]?|([^()\[\]]+?)\s*[.):]*")
"""A label without a text, such as "B", "b)", "(B)" or "[B]"."""
_SPAN = re.compile(r"\[?\s*(\d+(?:\.\d+)?)\s*s?\s*(?:,|-|to)\s*(\d+(?:\.\d+)?)\s*s?\s*\]?")
_CHAIN = re.compile(r"\[?\s*\d+(?:\s*(?:->|,)\s*\d+)+\s*\]?")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


class _Options(NamedTuple):
    """The options of a question as a key names them."""

    texts: Sequence[str]
    labels: Sequence[str] = ()
    """What the file calls each of them, empty where it calls one nothing; none for A, B, ..."""


def named_option(raw: object, options: Sequence[str], labels: Sequence[str] = ()) -> str | None:
    """Return the letter of the option that a key names by its label, its text or both; None if it names none.

    Args:
        labels: what the file calls each option, if not A, B, ...

    Raises:
        InputError: the key fits several options.
    """
    own = option_set(tuple(map(str, options)))
    text = plain(fold(str(raw))) if isinstance(raw, str | int | float) else ""
    form = same_form(text)
    found = {letter for letter, other in own.forms.items() if text and other == form}
    if alone := _ALONE.fullmatch(text):
        found |= _with_label(alone[1] or alone[2], own, labels)
    if not found and (full := _IN_FULL.fullmatch(text)):
        found = {letter for letter in _with_label(full[1], own, labels) if own.forms[letter] == same_form(full[2])}
    if len(found) > 1:
        fitting = " or ".join(f"{letter} ({option_of(letter, own.options)!r})" for letter in sorted(found))
        raise InputError(
            f"the answer {shortened(raw)} may be option {fitting}.", fix="Write letter and text, as in 'A. red'."
        )
    return found.pop() if found else None


def _with_label(name: str, own: OptionSet, labels: Sequence[str]) -> set[str]:
    """Return the option with this label, or with this letter where the file's labels are no letters."""
    name = name.upper()
    found = {letter for letter, label in zip(own.letters, labels, strict=False) if label.upper() == name}
    if found or any(len(label) == 1 and label.isalpha() for label in labels):
        return found
    starting = {letter for letter, option in zip(own.letters, own.options, strict=False) if _starts_with(name, option)}
    return {name} & set(own.letters) | (starting if name in own.letters else set())


def _starts_with(label: str, option: str) -> bool:
    """Return whether an option's text starts like a label, though not all of them are labelled: "A. Jones"."""
    return re.match(rf"\s*[(\[]?{label}[.):\]]+\s+\S", option, re.I) is not None


def strict_key(
    raw: object, spec: AnswerSpec, options: Sequence[str], n_items: int, labels: Sequence[str] = ()
) -> AnswerValue:
    """Return the valid value that a data file states as the right answer.

    Args:
        labels: what the file calls each option, if not A, B, ...

    Raises:
        InputError: the key has none of the exact forms of its kind, or fits two options.
    """
    read = _READERS.get(spec.name)
    try:
        return read(raw, _Options(options, labels), n_items) if read else spec.parse(raw, options, n_items)
    except (ActionError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        message = str(error) if isinstance(error, ActionError) else f"{shortened(raw)} is no key of kind {spec.name!r}."
        raise InputError(message) from error


def _choice(raw: object, options: _Options, n_items: int) -> str:
    items = raw if is_list(raw) else [raw]
    if len(items) != 1:
        raise InputError(f"the answer {shortened(raw)} names {len(items)} options; one is wanted.")
    return _letter(items[0], options)


def _letter(raw: object, options: _Options) -> str:
    letter = named_option(raw, *options)
    if letter is None:
        own = option_set(tuple(map(str, options.texts)))
        names = own.span if "".join(options.labels) in ("", own.letters) else ", ".join(options.labels)
        raise InputError(
            f"the answer {shortened(raw)} is not one of the options {names}.", fix="Write its letter or its text."
        )
    return letter


def _choices(raw: object, options: _Options, n_items: int) -> list[str]:
    items = [part for item in (raw if is_list(raw) else [raw]) for part in _parts(item, options)]
    letters = [_letter(item, options) for item in items]
    if not letters or len(set(letters)) < len(letters):
        raise InputError(f"the answer {shortened(raw)} names no option, or one twice.", fix="Write each letter once.")
    return sorted(letters)


def _parts(raw: object, options: _Options) -> list[object]:
    """Return the items of 'A,C', 'A; C', '["A", "C"]' or 'AC'; a text that names an option is one item."""
    text = str(raw).strip()
    if not isinstance(raw, str) or named_option(text, *options):
        return [raw]
    if text.startswith("[") and isinstance(stored := json.loads(text), list):
        return cast(list[object], stored)
    if text.isalpha() and text.isupper() and all(named_option(letter, *options) for letter in text):
        return list(text)
    return [part for part in re.split(r"\s*[,;]\s*", text) if part]


def _order(raw: object, options: _Options, n_items: int) -> str:
    if isinstance(raw, str) and _CHAIN.fullmatch(raw.strip()):
        numbers = [int(number) for number in re.findall(r"\d+", raw)]
    elif is_list(raw):
        numbers = [int(str(item)) for item in raw]
    else:
        numbers = []
    if sorted(numbers) != list(range(1, n_items + 1)):
        example = "->".join(str(n) for n in range(1, n_items + 1))
        raise InputError(f"{shortened(raw)} does not put 1 to {n_items} in order.", fix=f"Write it as '{example}'.")
    return "->".join(map(str, numbers))


def _interval(raw: object, options: _Options, n_items: int) -> tuple[float, float]:
    ends: Sequence[object] = ()
    if is_object(raw):
        fields = raw
        ends = [fields[name] for names in (STARTS, ENDS) for name in names if name in fields]
    elif is_list(raw):
        ends = raw
    elif isinstance(raw, str) and (match := _SPAN.fullmatch(raw.strip())):
        ends = match.groups()
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int | float | str) for end in ends):
        raise InputError(f"{shortened(raw)} is no interval.", fix="Write it as [start_s, end_s].")
    start_s, end_s = (float(cast(float, end)) for end in ends)
    if not 0 <= start_s < end_s < float("inf"):
        raise InputError(f"The interval {start_s:g}-{end_s:g} s must start at 0 or later and end after its start.")
    return start_s, end_s


def _number(raw: object, options: _Options, n_items: int) -> float:
    is_text = isinstance(raw, str) and _NUMBER.fullmatch(raw.strip())
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < float("inf")
    if not (is_text or is_number):
        raise InputError(f"{shortened(raw)} is no number.", fix="Write it in digits, with a point for decimals.")
    return float(cast(float, raw))


def _text(raw: object, options: _Options, n_items: int) -> str:
    text = str(raw).strip() if isinstance(raw, str | int | float) and not isinstance(raw, bool) else ""
    if not text:
        raise InputError(f"{shortened(raw)} is no text.", fix="Write the right answer in words.")
    return text


_READERS: dict[str, Callable[[object, _Options, int], AnswerValue]] = {
    "choice": _choice,
    "choices": _choices,
    "order": _order,
    "interval": _interval,
    "number": _number,
    "text": _text,
}
"""Strict readers by kind; a kind from elsewhere is read by its own `parse`."""
