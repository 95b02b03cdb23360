"""More questions about what has been read already, each with its answer.

Most of a demonstration is evidence, which is costly to read and is not imitated. Asked once, six hundred tokens teach
forty; asked five times, they teach two hundred, of which each has to be looked up in another place. Where the first
question allows it (what is asked for can be exchanged without the answer being told by the question), further ones
follow in the same conversation, as a person would go on asking.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from agentcvr_graph.models.offline.master.reading import Reading
from agentcvr_graph.scripts.generators.procedural import comparison as comparing
from agentcvr_graph.scripts.generators.procedural import grounding
from agentcvr_graph.scripts.generators.procedural import storage as storing
from agentcvr_graph.scripts.generators.procedural.base import fill, pick
from training.recipes.tiny.reasoning_trace import Worked, heard, purpose_in, reasoning_trace_of, signs

IN_ORDER, OF_THE_SAME = 0.8, 0.6
"""How often two events are asked for in the order in which some video shows them, and with what is said in it."""
UNTOLD = 0.15
"""How often something is asked for that nobody may have spoken of."""
AROUND_S = 0.7
"""A scene is longer than what is said in it, by up to this much before and after."""


def ask_more(reading: Reading, rng: random.Random) -> list[tuple[str, Worked]]:
    """Other questions of the same kind, and how they are worked out; none where the world has only one."""
    if reading.kind not in _MORE:
        return []
    further, most = _MORE[reading.kind]
    asked = further(reading, rng, most)
    new = [question for question in dict.fromkeys(asked) if question != reading.question][:most]
    return [(question, reasoning_trace_of(replace(reading, question=question), rng)) for question in new]


def _choices(reading: Reading, rng: random.Random, most: int) -> list[str]:
    """Other pairs of events, other things that are said."""
    setting = comparing.PEOPLE
    shown: dict[int, list[str]] = {}
    said: dict[int, list[str]] = {}
    for clip in reading.videos:
        lines = [line for line, _ in signs(reading, clip.number) if line in setting.events]
        shown[clip.number] = list(dict.fromkeys(lines))
        words = [text for text, _ in heard(reading, clip.number)]
        said[clip.number] = [topic for topic in setting.topics if any(topic in text for text in words)]
    eventful = [number for number, events in shown.items() if len(events) > 1]
    questions: list[str] = []
    for _ in range(most if eventful else 0):
        number = rng.choice(eventful)
        x, y = sorted(pick(rng, shown[number], 2), key=shown[number].index)
        x, y = (x, y) if rng.random() < IN_ORDER else (y, x)
        near = said[number] if rng.random() < OF_THE_SAME else [topic for topics in said.values() for topic in topics]
        topic = rng.choice(near or setting.topics)
        questions.append(fill(rng.choice(setting.questions), x=x, y=y, w=topic))
    return questions


def _interval(reading: Reading, rng: random.Random, most: int) -> list[str]:
    """Other windows of the first video whose purpose comes again in the second."""
    again = {purpose_in(text) for text, _ in heard(reading, 2)} - {""}
    told = [statement.window for text, statement in heard(reading, 1) if purpose_in(text) in again]
    windows = [
        (max(0.0, window.start_s - rng.uniform(0, AROUND_S)), window.end_s + rng.uniform(0, AROUND_S))
        for window in pick(rng, told, min(most, len(told)))
    ]
    return [fill(rng.choice(grounding.QUESTIONS), s=f"{start_s:.1f}", e=f"{end_s:.1f}") for start_s, end_s in windows]


def _number(reading: Reading, rng: random.Random, most: int) -> list[str]:
    """Other things that somebody speaks of."""
    said = " ".join(text for clip in reading.videos for text, _ in heard(reading, clip.number))
    things = [thing for thing in storing.THINGS if thing in said]
    rng.shuffle(things)
    untold = [rng.choice(storing.THINGS)] if rng.random() < UNTOLD else []
    return [fill(rng.choice(storing.QUESTIONS), i=thing) for thing in (*things, *untold)]


_MORE: Mapping[str, tuple[Callable[[Reading, random.Random, int], list[str]], int]] = {
    "choices": (_choices, 4),
    "interval": (_interval, 4),
    "number": (_number, 3),
}
"""By the kind of the answer: what else can be asked about the same evidence, and how often at most. A rule has one
video that breaks it, and clips have one order: of those there is nothing more to ask."""
