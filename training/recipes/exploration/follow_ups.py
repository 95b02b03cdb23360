"""Follow-up questions about evidence that is already in the conversation, each with its answer.

Most of a demonstration is evidence, which is costly to process and is not imitated. With one question, forty of six
hundred tokens are imitated; with five questions, two hundred are, and each answer needs another part of the evidence.
Follow-ups are appended to the conversation if the subject of the first question can be replaced without revealing the
answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from agentcvr_graph.models.offline.master.reading import Reading
from agentcvr_graph.scripts.generators.procedural import comparison as comparing
from agentcvr_graph.scripts.generators.procedural import grounding
from agentcvr_graph.scripts.generators.procedural import storage as storing
from agentcvr_graph.scripts.generators.procedural.base import fill, pick
from training.recipes.exploration.reasoning_trace import heard, purpose_in, reasoning_trace_of, signs
from training.recipes.exploration.tour_follow_ups import MOST, tour_follow_ups
from training.recipes.exploration.tour_reading import asked
from training.recipes.exploration.traces import ReasoningTrace

IN_ORDER, OF_THE_SAME = 0.8, 0.6
"""Probabilities that two events are named in the order of some video, and with a topic of that video."""
UNMENTIONED = 0.15
"""Probability of a question about a thing that may not be mentioned."""
AROUND_S = 0.7
"""Maximum time by which a scene begins before and ends after its speech."""


def follow_up_questions(reading: Reading, rng: random.Random) -> list[tuple[str, ReasoningTrace]]:
    """Return other questions of the same kind with their reasoning traces; none if the kind has no follow-ups."""
    over_tours = asked(reading.question)
    if over_tours is None and reading.kind not in _MORE:
        return []
    further, most = _MORE[reading.kind] if over_tours is None else (_over_tours, MOST)
    return traced(reading, further(reading, rng, most), rng)[:most]


def traced(reading: Reading, questions: Iterable[str], rng: random.Random) -> list[tuple[str, ReasoningTrace]]:
    """Return each different question, other than that of the reading, with its reasoning trace."""
    new = [question for question in dict.fromkeys(questions) if question != reading.question]
    return [(question, reasoning_trace_of(replace(reading, question=question), rng)) for question in new]


def _over_tours(reading: Reading, rng: random.Random, most: int) -> list[str]:
    task, _ = asked(reading.question) or ("STOP", {})
    return tour_follow_ups(reading, [task], rng)


def _choices(reading: Reading, rng: random.Random, most: int) -> list[str]:
    """Return questions about other pairs of events and other topics."""
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
    """Return questions about other windows of the first video whose purpose recurs in the second."""
    again = {purpose_in(text) for text, _ in heard(reading, 2)} - {""}
    spoken = [statement.window for text, statement in heard(reading, 1) if purpose_in(text) in again]
    windows = [
        (max(0.0, window.start_s - rng.uniform(0, AROUND_S)), window.end_s + rng.uniform(0, AROUND_S))
        for window in pick(rng, spoken, min(most, len(spoken)))
    ]
    return [fill(rng.choice(grounding.QUESTIONS), s=f"{start_s:.1f}", e=f"{end_s:.1f}") for start_s, end_s in windows]


def _number(reading: Reading, rng: random.Random, most: int) -> list[str]:
    """Return questions about other things that are mentioned."""
    said = " ".join(text for clip in reading.videos for text, _ in heard(reading, clip.number))
    things = [thing for thing in storing.THINGS if thing in said]
    rng.shuffle(things)
    unmentioned = [rng.choice(storing.THINGS)] if rng.random() < UNMENTIONED else []
    return [fill(rng.choice(storing.QUESTIONS), i=thing) for thing in (*things, *unmentioned)]


_MORE: Mapping[str, tuple[Callable[[Reading, random.Random, int], list[str]], int]] = {
    "choices": (_choices, 4),
    "interval": (_interval, 4),
    "number": (_number, 3),
}
"""By kind of answer: the function that makes follow-ups, and their maximum number. The other kinds have none: only one
video breaks the rule, and clips have only one order."""
