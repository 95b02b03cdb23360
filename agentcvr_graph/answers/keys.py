"""Read gold keys strictly: the exact forms in which benchmarks write them, and nothing else.

A model's reply is read generously, because its meaning can be plain in many forms. A key decides what is true, so a
key in doubt is an error: two options with the same text, a letter that is also another option's text, an index that
may count from 0 or 1, a date-like number. Loaders add the file and the row to the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, same_form, shortened
from agentcvr_graph.answers.interval import ENDS, STARTS
from agentcvr_graph.answers.letters import option_set
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import AnswerValue

_LETTER = re.compile(r"\(?([A-Za-z])[.):]*\)?")
_LABELLED = re.compile(r"\(?([A-Za-z])[.):]+\)?\s+(\S.*)", re.S)
_SPAN = re.compile(r"\[?\s*(\d+(?:\.\d+)?)\s*s?\s*(?:,|-|to)\s*(\d+(?:\.\d+)?)\s*s?\s*\]?")
_CHAIN = re.compile(r"\[?\s*\d+(?:\s*(?:->|,)\s*\d+)+\s*\]?")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


def strict_key(raw: object, spec: AnswerSpec, options: Sequence[str], n_items: int) -> AnswerValue:
    """Return the valid value that a data file states as the right answer.

    Raises:
        InputError: the key has none of the exact forms of its kind, or fits two options.
    """
    read = _READERS.get(spec.name)
    try:
        return read(raw, options, n_items) if read else spec.parse(raw, options, n_items)
    except (ActionError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        message = str(error) if isinstance(error, ActionError) else f"{shortened(raw)} is no key of kind {spec.name!r}."
        raise InputError(message) from error


def _choice(raw: object, options: Sequence[str], n_items: int) -> str:
    items = raw if is_list(raw) else [raw]
    if len(items) != 1:
        raise InputError(f"The key {shortened(raw)} names {len(items)} options; one is wanted.")
    return _letter(items[0], options)


def _letter(raw: object, options: Sequence[str]) -> str:
    """Return the letter of the option that a key names by letter, by text, or by both."""
    own = option_set(tuple(map(str, options)))
    text = plain(fold(str(raw))) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else ""
    fits = {letter for letter, form in own.forms.items() if text and form == same_form(text)}
    label = _LETTER.fullmatch(text)
    labelled = _LABELLED.fullmatch(text)
    if label and label[1].upper() in own.letters:
        fits.add(label[1].upper())
    elif labelled and labelled[1].upper() in own.letters and own.forms[labelled[1].upper()] == same_form(labelled[2]):
        fits.add(labelled[1].upper())
    if len(fits) != 1:
        problem = "fits several options" if fits else f"is not one of the options {own.span}"
        raise InputError(f"{shortened(raw)} {problem}.", fix="Write the letter of the right one, or its text.")
    return fits.pop()


def _choices(raw: object, options: Sequence[str], n_items: int) -> list[str]:
    own = option_set(tuple(map(str, options)))
    items = list(raw) if is_list(raw) else _parts(raw, own.letters, options)
    letters = [_letter(item, options) for item in items]
    if not letters or len(set(letters)) < len(letters):
        raise InputError(f"The key {shortened(raw)} names no option, or one twice.", fix="Write each letter once.")
    return sorted(letters)


def _parts(raw: object, letters: str, options: Sequence[str]) -> list[object]:
    """Return the items of 'A,C', 'A; C', '["A", "C"]' or 'AC'; a text that is an option is one item."""
    text = str(raw).strip() if isinstance(raw, str) else ""
    if not text:
        raise InputError(f"{shortened(raw)} is no list of letters.", fix='Write it as ["A", "C"].')
    if text.startswith("[") and isinstance(stored := json.loads(text), list):
        return cast(list[object], stored)
    if same_form(plain(fold(text))) in option_set(tuple(map(str, options))).forms.values():
        return [text]
    if len(text) > 1 and text.isupper() and set(text) <= set(letters):
        return list(text)
    return [part for part in re.split(r"\s*[,;]\s*", text) if part]


def _order(raw: object, options: Sequence[str], n_items: int) -> str:
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


def _interval(raw: object, options: Sequence[str], n_items: int) -> tuple[float, float]:
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


def _number(raw: object, options: Sequence[str], n_items: int) -> float:
    is_text = isinstance(raw, str) and _NUMBER.fullmatch(raw.strip())
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < float("inf")
    if not (is_text or is_number):
        raise InputError(f"{shortened(raw)} is no number.", fix="Write it in digits, with a point for decimals.")
    return float(cast(float, raw))


def _text(raw: object, options: Sequence[str], n_items: int) -> str:
    text = str(raw).strip() if isinstance(raw, str | int | float) and not isinstance(raw, bool) else ""
    if not text:
        raise InputError(f"{shortened(raw)} is no text.", fix="Write the right answer in words.")
    return text


_READERS: dict[str, Callable[[object, Sequence[str], int], AnswerValue]] = {
    "choice": _choice,
    "choices": _choices,
    "order": _order,
    "interval": _interval,
    "number": _number,
    "text": _text,
}
"""Strict readers by kind; a kind from elsewhere is read by its own `parse`."""
