"""The gold key of a question as its data file states it. Nothing is guessed: a doubtful key is an error.

`answers.read_key` reads keys strictly, in the labels that the file gives to its options. What only the loader knows is
done here before: data files separate several options and write times in more ways than benchmarks do. Loaders add the
file and the row to the message (`base.read_question`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import cast

from agentcvr_graph.answers import read_key
from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.options import Options, split_cell
from agentcvr_graph.types import AnswerKind, AnswerValue

_SEPARATORS = (re.compile(r"\s*(?:,|;|\||/|\band\b|&|\+)\s*", re.I), re.compile(r"\s+"))
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
    translate = _TRANSLATIONS.get(kind, _as_it_is)
    return read_key(translate(raw, options), kind, options.texts, n_items, options.labels)


def _as_it_is(raw: object, options: Options) -> object:
    return raw


def _from_list(raw: object, options: Options) -> object:
    """Return the items of a list in a text cell, such as '["B"]'."""
    is_list = isinstance(raw, str) and raw.strip().startswith("[") and not options.letter_of(raw)
    return split_cell(str(raw)) if is_list else raw


def _separated(raw: object, options: Options) -> object:
    """Return the items of "A and C", "C A" or "['A', 'C']", if each of them names an option."""
    if not isinstance(raw, str) or options.letter_of(raw):
        return raw
    for separator in _SEPARATORS:
        parts = [part for part in separator.split(raw.strip("[]() \n")) if part]
        if len(parts) > 1 and all(map(options.letter_of, parts)):
            return parts
    return _from_list(raw, options)


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
    """Return an order as numbers, 1 for the first: [2, 1] for "2 > 1", and for "B->A" where options have labels.

    Raises:
        InputError: the labels are numbers, and one of the order is none of them.
    """
    parts = cast(Sequence[object], raw) if isinstance(raw, list) else _ARROWS.split(str(raw).strip("[]() "))
    letters = [options.letter_of(part) for part in parts] if options.labels else [None]
    if None not in letters:
        return [ascii_uppercase.index(letter) + 1 for letter in letters if letter]
    if any(label.isdigit() for label in options.labels):
        raise InputError(f"the answer {raw!r} is no order of the labels {', '.join(options.labels)}.")
    return [int(str(part)) for part in parts] if all(str(part).isdecimal() for part in parts) else cast(object, raw)


_TRANSLATIONS: dict[AnswerKind, Callable[[object, Options], object]] = {
    "choice": _from_list,
    "choices": _separated,
    "interval": _in_seconds,
    "order": _by_number,
}
"""What a loader changes in a key before it is read."""
