"""Lists of verdicts: a reply that says yes or no to each option in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agentcvr_graph.answers.folding import NO_MARKS, YES_MARKS, fold, plain, same_form
from agentcvr_graph.answers.letters import OptionSet
from agentcvr_graph.answers.phrases import VERDICT
from agentcvr_graph.answers.shapes import is_object

_ENTRY = re.compile(
    r"(?:^|(?<=[\n,;|.(])|(?<=\s)(?=[A-Z][).:]))\s*[(\[]?(?:option\s+)?(?P<letter>[A-Z])[)\]]?(?![\w'])(?P<between>[^\n;]{0,200}?)"
    rf"(?:\s*[:=(|,>.)-]+\s*[|(]*\s*|\s+)"
    rf"(?i:{VERDICT.pattern})(?![\w'])"
)
_TICKED = re.compile(
    rf"^\s*(?:(?P<yes>[{YES_MARKS}]|\[[xX]\])|[{NO_MARKS}]|\[\s?\])\s*\(?(?P<letter>[A-Z])(?!\w)", re.M
)
"""A mark or a box to tick before each option."""
_PAIR = re.compile(rf"\(?(?P<letter>[A-Z])[\s).:-]*(?:(?P<yes>[{YES_MARKS}])|[{NO_MARKS}])[\s,;|]*")
"""A letter and its mark."""
_PAIRS = re.compile(rf"\s*(?:\(?[A-Z][\s).:-]*[{YES_MARKS}{NO_MARKS}][\s,;|]*)+")
_SIGNS = " \t.:=()[]|,>-"


def approved(raw: object, own: OptionSet) -> list[str] | None:
    """Return the letters of the options that a list of verdicts approves; None if it is no such list."""
    if is_object(raw):
        return _of_mapping(raw, own)
    text = str(raw)
    verdicts = _marked(_PAIR, text, own) if _PAIRS.fullmatch(text) else dict(_entries(text, own))
    verdicts = verdicts or _marked(_TICKED, text, own)
    if len(verdicts) < 2:
        return None
    return sorted(letter for letter, holds in verdicts.items() if holds)


def _marked(pattern: re.Pattern[str], text: str, own: OptionSet) -> dict[str, bool]:
    return {one["letter"]: one["yes"] is not None for one in pattern.finditer(text) if one["letter"] in own.letters}


def _entries(text: str, own: OptionSet) -> Iterator[tuple[str, bool]]:
    for match in _ENTRY.finditer(text):
        letter, between = match["letter"], match["between"].strip(_SIGNS)
        if letter in own.letters and (not between or same_form(between) == own.forms[letter]):
            yield letter, match["yes"] is not None


def _of_mapping(raw: Mapping[object, object], own: OptionSet) -> list[str]:
    """Return the approved letters of {"A": true, "B": "no"}, or the only letter of {"B": "its text"}; else none."""
    letters = {str(name).strip(" ()").upper(): value for name, value in raw.items()}
    if not letters or any(letter not in own.forms for letter in letters):
        return []
    holds = {letter: _holds(value) for letter, value in letters.items()}
    if all(value is not None for value in holds.values()):
        return sorted(letter for letter, value in holds.items() if value)
    [(letter, value), *others] = letters.items()
    return [letter] if not others and own.exactly(plain(fold(str(value)))) == letter else []


def _holds(value: object) -> bool | None:
    """Return a verdict as a boolean, or None if it is none."""
    if isinstance(value, bool):
        return value
    match = VERDICT.fullmatch(str(value).strip()) if isinstance(value, str) else None
    return None if match is None else match["yes"] is not None
