"""The gold key of a question as its data file states it. Nothing is guessed: a doubtful key is an error.

`answers.read_key` reads keys strictly. What only the loader knows is done here before: the labels that the file gives
to its options decide what a key of them means, and times may be written as in the columns `begin` and `end`. Loaders
add the file and the row to the message (`base.read_question`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Any, cast

from agentcvr_graph.answers import read_key
from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.options import Options, split_cell
from agentcvr_graph.types import AnswerKind, AnswerValue

_MARKS = re.compile(r"\s*(?:,|;|\||/|\band\b|&|\+)\s*", re.I)


_BETWEEN = re.compile(r"\s*(?:[-\u2013,;]|\bto\b)\s*")
_ARROWS = re.compile(r"\s*(?:->|\u2192|>|,|;)\s*")


def read_gold(raw: object, kind: AnswerKind, options: Options, n_items: int) -> AnswerValue:
    """Return the key of a question.

    Args:
        raw: the stored answer: a letter, a label or the text of an option, a list, a number, a text.
        n_items: how many things an `order` puts in order.

    Raises:
        InputError: the answer is none of the options, fits two, or does not fit the kind.
    """
    if kind == "choice":
        return _one(raw, options)
    if kind == "choices":
        return sorted({_letter(part, options) for part in _parts(raw, options) or [raw]})
    translate = _TRANSLATIONS.get(kind, _as_it_is)
    return read_key(translate(raw, options), kind, options.texts, n_items)


def _as_it_is(raw: object, options: Options) -> object:
    return raw


def _in_seconds(raw: object, options: Options) -> object:
    """Return an interval with its times in seconds, where it has two times such as "1:10-1:20" or ["1:10", "1:20"]."""
    parts = _BETWEEN.split(raw.strip("[]() ")) if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple) or len(cast(list[object], parts)) != 2:
        return raw
    try:
        return [read_time_s(part) for part in cast(list[object], parts)]
    except ValueError:
        return raw


def _by_number(raw: object, options: Options) -> object:
    """Return an order as numbers, 1 for the first: [2, 1] for "2 > 1", and for "B->A" where options have labels."""
    parts = cast(list[object], raw) if isinstance(raw, list) else _ARROWS.split(str(raw).strip("[]() "))
    letters = [options.letter_of(part) for part in parts] if options.labels else [None]
    numbers = [ascii_uppercase.index(letter) + 1 for letter in letters if letter]
    if not options.labels and all(str(part).isdecimal() for part in parts):
        return [int(str(part)) for part in parts]
    return numbers if len(numbers) == len(letters) else cast(object, raw)


_TRANSLATIONS: dict[AnswerKind, Callable[[object, Options], object]] = {"interval": _in_seconds, "order": _by_number}
"""What a loader changes in a key before it is read."""


def _one(raw: object, options: Options) -> str:
    stored: object = raw
    if isinstance(raw, str) and raw.lstrip().startswith("[") and options.letter_of(raw) is None:
        stored = split_cell(raw)
    items = cast(list[object], stored) if isinstance(stored, list | tuple) else [raw]
    if len(items) != 1:
        raise InputError(f"the answer {raw!r} names {len(items)} options.", fix="Set the kind to choices, or name one.")
    return _letter(items[0], options)


def _letter(raw: object, options: Options) -> str:
    letter = options.letter_of(raw)
    if not options.texts:
        raise InputError(f"it has the answer {raw!r}, but no options.")
    if letter is None:
        last = ascii_uppercase[len(options.texts) - 1]
        raise InputError(
            f"the answer {raw!r} is not one of the options A to {last}.", fix="Write its letter or its text."
        )
    return letter


def _parts(raw: object, options: Options) -> Sequence[object]:
    """Return what names an option in a key of kind `choices`: items of a list, or letters or texts in a string."""
    if isinstance(raw, list | tuple):
        return [part for item in cast(Sequence[object], raw) for part in _parts(item, options)]
    text = str(raw).strip()
    if options.letter_of(text) is not None:
        return [text]
    several: Any = split_cell(text)
    if isinstance(several, list) and len(cast(list[object], several)) > 1:
        return cast(list[object], several)
    if text.isalpha() and text.isupper() and set(text) <= set(ascii_uppercase[: len(options.texts)]):
        return list(text)
    marked = [part for part in _MARKS.split(text.strip("[]()")) if part]
    return marked if all(options.letter_of(part) for part in marked) else text.strip("[]()").split()
