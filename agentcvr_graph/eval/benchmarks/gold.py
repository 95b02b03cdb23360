"""The gold key of a question as its data file states it. Nothing is guessed: a doubtful key is an error.

The file's own labels are translated into our letters here, because only the loader knows them; what remains is read by
`answers`. Loaders add the file and the row to the message (`base.read_question`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, cast

from agentcvr_graph.answers import parse_answer
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.options import Options, split_cell
from agentcvr_graph.types import AnswerKind, AnswerValue

_MARKS = re.compile(r"\s*(?:,|;|\||/|\band\b|&|\+)\s*", re.I)


def read_gold(raw: object, kind: AnswerKind, options: Options, n_items: int) -> AnswerValue:
    """Return the key of a question.

    Args:
        raw: the stored answer: a letter, a label or the text of an option, a list, a number, a text.
        n_items: how many things an `order` puts in order.

    Raises:
        InputError: the answer is none of the options, or fits two.
        ActionError: the answer does not fit the kind.
    """
    if kind == "choice":
        return _one(raw, options)
    if kind == "choices":
        return sorted({_letter(part, options) for part in _parts(raw, options) or [raw]})
    return parse_answer(raw, kind, options.texts, n_items).value


def _one(raw: object, options: Options) -> str:
    items = cast(list[object], raw) if isinstance(raw, list | tuple) else [raw]
    if len(items) != 1:
        raise InputError(f"the answer {raw!r} names {len(items)} options.", fix="Set the kind to choices, or name one.")
    return _letter(items[0], options)


def _letter(raw: object, options: Options) -> str:
    letter = options.letter_of(raw)
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
