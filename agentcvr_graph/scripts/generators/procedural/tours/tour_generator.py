"""What the tasks over tours have in common: question, then key, then tours; and how timelines are read."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from agentcvr_graph.answers import KnownKind
from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, read
from agentcvr_graph.scripts.generators.procedural.scenes import start_drafts
from agentcvr_graph.scripts.generators.procedural.tours.layout import Tour, record
from agentcvr_graph.scripts.generators.procedural.tours.phrasings import Phrasings
from agentcvr_graph.scripts.generators.procedural.tours.words import Term
from agentcvr_graph.scripts.schema import Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue, Citation


class TourGenerator(ABC):
    """Makes the questions of one task over tours."""

    def __init__(self, task: Task, kind: KnownKind, phrasings: Phrasings) -> None:
        self.task: Task = task
        self.phrasings = phrasings
        self._kind: KnownKind = kind

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Draw the question, then the key, then tours for which that key is right."""
        terms = self.draw(streams.question)
        question = self.phrasings.ask(streams.question, streams.phrasing, **terms)
        key = self.draw_key(streams.key, difficulty.videos)
        drafts = start_drafts(streams.content, difficulty, difficulty.videos)
        tours = self.tours(streams.content, difficulty, terms, key)
        videos = tuple(record(draft, tour, f"tour {draft.number}") for draft, tour in zip(drafts, tours, strict=True))
        evidence = tuple(proof for draft in drafts for proof in draft.proofs)
        return self.script(question, key, videos, evidence)

    def script(
        self, question: str, key: AnswerValue, videos: Sequence[ScriptedVideo], evidence: Sequence[Citation]
    ) -> Script:
        """Return the script of a question over tours, without its id and origin."""
        choice = self._kind in ("choice", "choices")
        return Script(
            id="new",
            task=self.task,
            question=question,
            kind=self._kind,
            options=tuple(f"Video {n}" for n in range(1, len(videos) + 1)) if choice else (),
            key=key,
            videos=tuple(videos),
            evidence=tuple(evidence),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return the answer, from the question's words and the words of the timelines."""
        return self.answer(self.phrasings.read(script.question), script.videos)

    @abstractmethod
    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw what the question names, by the fields of its templates."""

    @abstractmethod
    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw the answer, all equally likely."""

    @abstractmethod
    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Return one tour a video, for which `key` alone is right."""

    @abstractmethod
    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the answer to a question that names these terms."""


def a_letter(rng: random.Random, videos: int) -> str:
    """Draw the letter of a video."""
    return ascii_uppercase[rng.randrange(videos)]


def chapter_scenes(video: ScriptedVideo, place: Term) -> list[Scene]:
    """Return the scenes that show the banner of a place."""
    return [scene for scene in video.scenes if scene.facts.text[0] == place.sign]


def signs_at(video: ScriptedVideo, place: Term) -> list[str]:
    """Return the on-screen lines at a place, without its banner."""
    return [line for scene in chapter_scenes(video, place) for line in scene.facts.text[1:]]


def number_at(video: ScriptedVideo, place: Term, sign: str) -> int:
    """Return the number on the sign at a place; `sign` is a template with the field n."""
    return next(int(words["n"]) for line in signs_at(video, place) if (words := read([sign], line)))
