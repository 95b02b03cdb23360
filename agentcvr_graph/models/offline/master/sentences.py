"""Sentences of speech, and whether one says what a question asks for.

Subtitles and recognisers cut sentences into lines. A line alone may have the words of a question and not its answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agentcvr_graph.models.offline.master.language import NUMBER_WORDS, clock_minutes, day_of_year, numbers
from agentcvr_graph.models.offline.master.matching import CONTIGUOUS_S
from agentcvr_graph.models.offline.master.reading import Statement
from agentcvr_graph.render import spoken

MOST_LINES = 3
"""Lines of a sentence that are joined on either side of a line."""
_END = re.compile(r"[.?!\u2026\u3002]['\")\u201d\u2019]*$")
_PLACE = re.compile(
    r"\b(?:in|at|on|near|inside|outside|under|behind|beside|next to|above|below|between|north|south|east|west)\b", re.I
)
_PERSON = re.compile(
    r"\b(?:i am|i'm|my name|called|by|for|with|from)\b|\b[A-Z][a-z]+ [A-Z][a-z]+|\b(?:mr|mrs|ms|dr)\b\.?", re.I
)
_REASON = re.compile(r"\b(?:because|since|so that|in order to|to|for|due to)\b", re.I)
_WEEKDAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|morning|noon|midnight|afternoon|evening|night|tonight|today|tomorrow|yesterday)\b",
    re.I,
)
_HOURS = "|".join([*NUMBER_WORDS][1:13])


def is_speech(statement: Statement) -> bool:
    """Return whether a statement quotes what was said."""
    return statement.modality == "audio" and statement.text.startswith('"')


def joined_speech(line: Statement, statements: Sequence[Statement]) -> Statement:
    """Return the whole sentence that a line of speech is part of; any other statement unchanged."""
    if not is_speech(line):
        return line
    own = sorted(
        {s for s in statements if is_speech(s) and s.window.video == line.window.video},
        key=lambda s: (s.window.start_s, s.window.end_s),
    )
    if line not in own:
        return line
    first = last = own.index(line)
    while first > 0 and last - first < MOST_LINES and _goes_on(own[first - 1], own[first]):
        first -= 1
    while last + 1 < len(own) and last - first < 2 * MOST_LINES and _goes_on(own[last], own[last + 1]):
        last += 1
    part = own[first : last + 1]
    text = spoken(" ".join(s.text.strip('"') for s in part))
    window = line.window.model_copy(update={"start_s": part[0].window.start_s, "end_s": part[-1].window.end_s})
    return replace(line, text=text, window=window)


def _goes_on(one: Statement, other: Statement) -> bool:
    """Return whether a sentence goes on from one line to the next."""
    near = other.window.start_s - one.window.end_s <= CONTIGUOUS_S
    return near and not _END.search(one.text.strip('"').strip())


def answers_type_of(question: str, text: str) -> bool:
    """Return whether a text can say what a question word asks for: a place, a time, a person, an amount, a reason.

    >>> answers_type_of("Where is Webb?", "This is the science segment of the Webb")
    False
    """
    asked = question.strip().casefold()
    if asked.startswith("where "):
        return _PLACE.search(text) is not None
    if asked.startswith("when "):
        stated = clock_minutes(text) is not None or day_of_year(text) is not None
        return stated or bool(_WEEKDAY.search(text) or re.search(r"\d{4}|\bat (?:\d|" + _HOURS + ")", text, re.I))
    if asked.startswith("who "):
        return _PERSON.search(text) is not None
    if asked.startswith(("how much ", "how many ", "how long ", "how old ", "how tall ", "how far ")):
        return bool(numbers(text))
    if asked.startswith("why "):
        return _REASON.search(text) is not None
    return True
