"""The kind of thing that a question asks for ("what is the price of"), and the part of a statement that is it.

A statement that has most of a question's words is no answer if it has nothing of the kind that is asked for: the line
about when a train leaves does not say what the ticket costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.language import (
    clock_minutes,
    day_of_year,
    is_about_purpose,
    key_words,
    numbers,
    words_of,
)
from agentcvr_graph.models.offline.master.reading import Statement
from agentcvr_graph.models.offline.palette import PALETTE
from agentcvr_graph.render import read_picture

_MONEY = re.compile(
    r"[$\u20ac\u00a3\u00a5]|\b(?:dollars?|euros?|pounds?|cents?|pence|francs?|yen|rupees?|pesos?|usd|eur|gbp|free)\b"
    r"|\b(?:costs?|price\w*|fees?|pay\w*|paid)\b.*\d",
    re.I,
)
_COLOURS = frozenset(word for name in PALETTE for word in name.split()) - {"dark", "light"} | {"gray", "gold", "silver"}
_CAPITAL = re.compile(r"\b(?:name|named|called)\b|(?<=[a-z,] )[A-Z][a-z]+|\b[A-Z]{2,}\b")
_DAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|to(?:day|morrow|night)|yesterday|\d{4}|January|February|March|"
    r"April|May|June|July|August|September|October|November|December)\b"
)
_HOUR = re.compile(r"\b(?:noon|midnight|morning|afternoon|evening|night|\d+ ?[ap]\.?m|at \w+)\b", re.I)
_BE = r"(?:'s| is| are| was| were)"
_NOUN = re.compile(
    rf"\b(?:what|which){_BE} the (?:\w+ )?(?P<of>\w+)(?:$|[?,.]| (?:of|for|on|in|to|at|per)\b)"
    r"|\b(?:what|which) (?:\w+ (?=numbers?\b|colou?rs?\b|prices?\b))?(?P<which>\w+)\b",
    re.I,
)
_MEASURES = stems(
    "number numbers weight height length width age temperature distance speed size percentage amount score"
)
_PASSING = stems(
    "word words text sign line title thing things kind sort type one ones way reason purpose topic subject happen"
)
"""Nouns that a statement has another word for, whatever it says."""
_NO_NOUN = re.compile(
    r"is|are|was|were|be|do|does|did|has|have|had|can|could|will|would|should|may|might|must|the|an?|he|she|it|they|you|we|i|"
    r"else|happens|kind|sort|type|of|(?:video|clip|recording|cook|person|people)s?"
)
"""Words after "what" and "which" that say nothing about the kind of thing."""


def _has_price(text: str) -> bool:
    return _MONEY.search(text) is not None


def _has_number(text: str) -> bool:
    return bool(numbers(text)) or any(word.isdigit() for word in words_of(text))


_KINDS: tuple[tuple[frozenset[str], Callable[[str], bool]], ...] = (
    (stems("price cost fee fare prices costs"), _has_price),
    (stems("colour color colours colors"), lambda text: bool(_COLOURS & set(re.findall(r"[a-z]+", text.lower())))),
    (_MEASURES, _has_number),
    (stems("name names"), lambda text: _CAPITAL.search(text) is not None),
    (stems("time hour"), lambda text: clock_minutes(text) is not None or _HOUR.search(text) is not None),
    (stems("date day month year"), lambda text: day_of_year(text) is not None or _DAY.search(text) is not None),
)


def asked_noun(question: str) -> str:
    """Return the noun that says what a question asks for; empty if there is none.

    >>> asked_noun("What is the price of the ticket to Boston?")
    'price'
    """
    if re.search(r"\bhow much (?:do|does|did|is|are|was|were)\b.*\bcosts?\b|\bhow expensive\b", question, re.I):
        return "price"
    found = _NOUN.search(question)
    noun = (found["of"] or found["which"]).lower() if found else ""
    return "" if _NO_NOUN.fullmatch(noun) else noun


def has_asked_kind(question: str, text: str) -> bool:
    """Return whether a text has something of the kind that a question asks for, where that can be told from words."""
    check = _check_of(question)
    return check is None or check(text if check is _has_price else _besides(question, text))


def _besides(question: str, text: str) -> str:
    """Return what a text says besides the words of a question: a name in the question is not the one asked for."""
    known = set(re.findall(r"[^\W_]+", question.casefold()))
    return re.sub(r"[^\W_]+", lambda word: "-" if word[0].casefold() in known else word[0], text)


def has_asked_noun(question: str, text: str) -> bool:
    """Return whether a text has the kind that is asked for, or the noun itself where nothing else tells its kind."""
    noun = asked_noun(question)
    if _check_of(question) is not None:
        return has_asked_kind(question, text)
    passes = not stems(noun) - _PASSING or is_about_purpose(question)
    return passes or bool(stems(noun) & stems(text))


def told_part(question: str, statement: Statement) -> str:
    """Return the part of a statement that is asked for: of a picture the number, the colours or the line of text."""
    if statement.modality == "audio":
        return statement.text.strip('"')
    description, lines, colours, _ = read_picture(statement.text)
    wanted, noun = key_words(question), stems(asked_noun(question))
    if colours and noun & stems("colour color colours colors"):
        return " and ".join(colours)
    shown = [line for line in lines if words_of(line) & wanted]
    if noun & _MEASURES and (stated := re.findall(r"\d+(?:[.,:]\d+)*", " ".join(shown or lines))):
        return stated[0]
    reads = noun & stems("word words text sign line title") or re.search(r"\b(?:written|reads?)\b", question, re.I)
    if not description and (shown or reads) and lines:
        return ", ".join(shown or lines)
    return statement.text


def _check_of(question: str) -> Callable[[str], bool] | None:
    noun = stems(asked_noun(question))
    return next((check for nouns, check in _KINDS if nouns & noun), None)
