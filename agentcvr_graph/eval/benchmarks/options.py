"""Options as data files write them, and the gold key in their terms.

A file gives options as a list, as an object (`{"A": "red", "B": "blue"}`), as a JSON or Python literal in a text cell,
or as one string with separators. Options may carry labels of their own ("A. red", "(b) blue"), in any order.
The brief adds letters itself, so labels are removed here and remembered: a key is read in the file's labels. Options
whose labels are a permutation are sorted by them, so that the letters that a model sees are those of the file.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, NamedTuple, cast

from agentcvr_graph.answers import check_options, named_option
from agentcvr_graph.errors import InputError

SEPARATORS = (";", "|", "\n")
"""What may separate items in one string; the first that occurs in it is used."""
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
_OPEN = r"[(\[\uff08]?\s*"
_MARK = r"\s*(?:[)\]\uff09][.:]?|[.:\uff0e\uff1a\u3001]|[-\u2013\u2014](?=\s))"
_NAME = r"([A-Za-z]|\d{1,2}|[ivxIVX]{2,4})"
_LABEL = re.compile(rf"^\s*[*_]*(?:option\s+)?{_OPEN}{_NAME}{_MARK}[*_]*(\s*)(\S.*)$", re.S | re.I)
_PACKED = re.compile(r"(?:^|(?<=\s)|(?<=[.;,]))\(?([A-Z])[.):]\s*")
_NAMED = re.compile(r"^(?:option|choice|answer)?[\s_-]*([A-Za-z]|\d{1,2})$", re.I)
_TEXT_NAMES = ("text", "content", "value", "option", "answer")
_LABEL_NAMES = ("label", "key", "letter", "id", "name")


class Labelled(NamedTuple):
    """An option with the label that the file gives it; the label is empty where there is none."""

    label: str
    text: str


@dataclass(frozen=True)
class Options:
    """The options of a question."""

    texts: tuple[str, ...] = ()
    """In the order in which a model sees them, without labels."""
    labels: tuple[str, ...] = ()
    """What the file calls each of them, in upper case; empty where it calls them nothing."""

    def letter_of(self, answer: object) -> str | None:
        """Return the letter of the option that a key names by its label, its letter or its text; None if it names none.

        Raises:
            InputError: the key fits two options.
        """
        return named_option(answer, self.texts, self.labels)


def read_options(stored: object) -> Options:
    """Return the options of a stored field, whatever its form.

    Raises:
        InputError: an option has no text, or that of another one.

    >>> read_options(["A. Red.", "B. Blue."]).texts
    ('Red.', 'Blue.')
    >>> read_options(["(b) two", "(a) one"]).texts
    ('one', 'two')
    >>> read_options({"A": "left", "B": "right"}).texts
    ('left', 'right')
    >>> read_options("A. one B. two C. three").texts
    ('one', 'two', 'three')
    """
    items = _items(stored)
    if len(items) == 1 and not items[0].label:
        items = [Labelled("", text) for text in split_packed_options(items[0].text)]
    if not any(item.label for item in items):
        items = _read_labels([item.text for item in items])
    items = _sorted(items)
    labels, texts = tuple(item.label.upper() for item in items), tuple(item.text for item in items)
    check_options(texts)
    return Options(texts, labels if any(labels) else ())


def split_cell(text: str) -> list[Any] | dict[str, Any]:
    """Return the items of a text cell: a JSON or Python literal, or a string with one of `SEPARATORS`."""
    text = text.strip()
    if text[:1] in ("[", "{"):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list | dict):
                return cast("list[Any] | dict[str, Any]", found)
    separator = next((one for one in SEPARATORS if one in text), SEPARATORS[0])
    return [part.strip() for part in text.split(separator) if part.strip()]


def split_packed_options(text: str) -> list[str]:
    """Return the options in a string that holds all of them, or the string itself if its letters do not start at A."""
    expected = 0
    kept: list[re.Match[str]] = []
    for match in _PACKED.finditer(text):
        if ord(match[1]) - ord("A") == expected:
            kept.append(match)
            expected += 1
    if len(kept) < 2:
        return [text]
    ends = [match.start() for match in kept[1:]] + [len(text)]
    return [text[match.start() : end].strip(" ;,|\n") for match, end in zip(kept, ends, strict=True)]


def _items(stored: object) -> list[Labelled]:
    if stored is None:
        return []
    if isinstance(stored, str):
        packed = split_packed_options(stored)
        return [Labelled("", text) for text in packed] if len(packed) > 1 else _items_of(split_cell(stored))
    if isinstance(stored, list | tuple | dict):
        return _items_of(cast("list[Any] | dict[str, Any]", stored))
    raise InputError(f"the options {stored!r} are a {type(stored).__name__}.", fix="Write them as a list.")


def _items_of(stored: list[Any] | dict[str, Any]) -> list[Labelled]:
    if isinstance(stored, dict):
        columns = _columns(stored)
        if columns is not None:
            return columns
        return [Labelled(_name_of(label), _text_of(text)) for label, text in stored.items() if text is not None]
    given = list(stored)
    while given and given[-1] is None:
        given.pop()
    return [_item(one) for one in given]


def _columns(stored: Mapping[str, Any]) -> list[Labelled] | None:
    """Return the options of `{"label": ["A", "B"], "text": [...]}`; None for another object."""
    texts = next((stored[name] for name in _TEXT_NAMES if isinstance(stored.get(name), list)), None)
    labels = next((stored[name] for name in _LABEL_NAMES if isinstance(stored.get(name), list)), None)
    if texts is None or labels is None:
        return None
    return [Labelled(str(label), _text_of(text)) for label, text in zip(labels, texts, strict=True)]


def _item(stored: object) -> Labelled:
    if not isinstance(stored, dict):
        return Labelled("", _text_of(stored))
    fields = cast(dict[str, Any], stored)
    label = next((str(fields[name]) for name in _LABEL_NAMES if name in fields), "")
    text = next((fields[name] for name in _TEXT_NAMES if name in fields), None)
    if text is None and len(fields) == 1:
        label, text = next(iter(fields.items()))
    if text is None:
        raise InputError(f"the option {stored!r} has no text.", fix="Write each option as a text.")
    return Labelled(_name_of(label), _text_of(text))


def _text_of(stored: object) -> str:
    if stored is None or isinstance(stored, list | dict):
        raise InputError(f"the option {stored!r} is not a text.", fix="Write each option as a text.")
    return str(stored).strip()


def _name_of(label: object) -> str:
    """Return the label in the name of a field: A for "A", "a" and "option_a"; the name itself if it is another."""
    match = _NAMED.match(str(label).strip())
    return match[1] if match else str(label).strip()


def _read_labels(texts: Sequence[str]) -> list[Labelled]:
    """Return options without the labels that they carry, if these are labels and not the beginning of texts."""
    matches = [_LABEL.match(text) for text in texts]
    labels = [match[1].upper() if match else "" for match in matches]
    loose = [bool(match) and not match[2] for match in matches]  # no space behind the mark: "1.5 m", "A.Red"
    if not _are_labels(labels, loose):
        return [Labelled("", text) for text in texts]
    return [
        Labelled(label, match[3].strip()) if match else Labelled(ascii_uppercase[n], text.strip())
        for n, (label, match, text) in enumerate(zip(labels, matches, texts, strict=True))
    ]


def _are_labels(labels: Sequence[str], loose: Sequence[bool]) -> bool:
    count = len(labels)
    if count < 2 or count > len(ascii_uppercase):
        return False
    if any(label.isdigit() for label in labels):
        numbers = sorted(int(label) for label in labels if label.isdigit())
        return not any(loose) and numbers in (list(range(1, count + 1)), list(range(count)))
    if sorted(labels) == list(ascii_uppercase[:count]) or list(labels) == list(_ROMAN[:count]):
        return True
    if any(loose):
        return False
    placed = [label == ascii_uppercase[n] for n, label in enumerate(labels)]
    if "" in labels:  # some have none: "A. red", "B. blue", "none of these"
        return sum(placed) >= 2 and all(place or not label for place, label in zip(placed, labels, strict=True))
    return placed[0] and all(len(label) == 1 for label in labels) and all(map(str.__lt__, labels, labels[1:]))


def _sorted(items: list[Labelled]) -> list[Labelled]:
    """Return options whose labels are a permutation in the order of the labels; others as they are."""
    labels = [item.label.upper() for item in items]
    if sorted(labels) == list(ascii_uppercase[: len(items)]):
        return sorted(items, key=lambda item: item.label.upper())
    if labels and all(label.isdecimal() for label in labels):
        return sorted(items, key=lambda item: int(item.label))
    return items
