"""LIB: a question over a library of 30 to 300 videos, one or two of which decide it. A task of ours, for search.

Every video shows a stall of a market (`stalls.py`). The question describes one stall by what is said there or by its
poster, and asks for something else about it; or it describes two stalls and compares them. So the words of the question
find the place, and what is there has to be looked at. Looking everywhere costs more than any budget.

Close distractors have one word of the description, or both of them in another sense (what is sold to somebody, not what
they gave). What the distractors answer is dealt so that neither one of them nor a count over all gives the key away.
"""

from __future__ import annotations

import functools
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.answers import KnownKind
from agentcvr_graph.scripts.generators.procedural.base import PENDING_ORIGIN, Difficulty, Streams, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import FLOORS, WALLS, Beat, VideoDraft, mixed_in
from agentcvr_graph.scripts.generators.procedural.stalls import (
    ANSWERS,
    CHATTER,
    FACT_OF,
    GIFTS,
    IDLES,
    PLAN,
    POSTER,
    POSTERS,
    Description,
    Fact,
    Slots,
    Stall,
    any_stall,
    deal,
    decoys,
    stated,
    title,
)
from agentcvr_graph.scripts.schema import Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerValue

OPTIONS = 4
DECOY_SHARE = 0.12
"""Share of the videos that are close distractors, at closeness 1."""
MAX_DECOYS = 12
MAX_IDLES = 6
"""Scenes of a video that do not matter."""
SAME_DAY = "Both were filmed on the same day."


@dataclass(frozen=True)
class Asked:
    """A question with its key, before there are videos."""

    question: str
    kind: KnownKind
    decisive: Sequence[Slots]
    """The words of the stalls that decide it."""
    options: tuple[str, ...] = ()
    key: AnswerValue = ""
    answers: tuple[str, Sequence[str], Sequence[str]] | None = None
    """Of the word that the other stalls are dealt: its name, the values that are options, and its other values."""
    place: int | None = None
    """Position of the scene that is asked for among the facts of its stall; None for any."""


class Template(ABC):
    """A template of questions.

    Args:
        kind: the kind of its answer.
        described: the facts that name the stalls of the question.
        shown: the facts that every stall states.
        questions: how it is worded; `{0}` and `{1}` are the descriptions.
    """

    least_idles = 0
    """Scenes of every video that do not matter, at least."""

    def __init__(
        self, kind: KnownKind, described: Sequence[Description], shown: Sequence[Fact], *questions: str
    ) -> None:
        self.kind: KnownKind = kind
        self.described = tuple(described)
        self.shown = tuple(shown)
        self._questions = questions

    @abstractmethod
    def ask(self, streams: Streams) -> Asked:
        """Draw a question and its key."""

    @abstractmethod
    def solve(self, script: Script, stalls: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the answer, from the videos that the question describes."""

    def word(self, rng: random.Random, wanted: Sequence[Slots]) -> str:
        """Return the question about stalls with the wanted words."""
        clauses = [
            rng.choice(description.clauses).format(**slots)
            for description, slots in zip(self.described, wanted, strict=True)
        ]
        return fill(rng.choice(self._questions).format(*clauses))

    def read(self, question: str) -> list[dict[str, str]] | None:
        """Return the words of the stalls that a question describes; None where another template made it."""
        slots = read(self._wordings, question)
        if slots is None:
            return None
        return [{name: slots[name] for name in description.values} for description in self.described]

    @functools.cached_property
    def _wordings(self) -> list[str]:
        found = list(self._questions)
        for n, description in enumerate(self.described):
            found = [text.replace(f"{{{n}}}", clause) for text in found for clause in description.clauses]
        return found


class LookUp(Template):
    """What does a stall say besides? As a choice, a number or a text."""

    def __init__(self, kind: KnownKind, asked: str, description: Description, *questions: str) -> None:
        super().__init__(kind, (description,), _shown(FACT_OF[asked]), *questions)
        self._asked = asked

    def ask(self, streams: Streams) -> Asked:
        """Draw a stall, and what it says."""
        wanted = self.described[0].draw(streams.question)
        question = self.word(streams.question, [wanted])
        values = ANSWERS[self._asked]
        options = pick(streams.question, values, OPTIONS) if self.kind == "choice" else list(values)
        at = streams.key.randrange(len(options))
        others = [value for value in values if value not in options]
        return Asked(
            question,
            self.kind,
            [wanted | {self._asked: options[at]}],
            options=tuple(options) if self.kind == "choice" else (),
            key=self._value(at, options[at]),
            answers=(self._asked, options, others),
        )

    def solve(self, script: Script, stalls: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return what the stall says."""
        found = stated(stalls[0], self.shown[-1])[self._asked]
        return self._value(script.options.index(found) if script.options else 0, found)

    def _value(self, at: int, word: str) -> AnswerValue:
        if self.kind == "choice":
            return ascii_uppercase[at]
        return float(word) if self.kind == "number" else f"the {word}"


class When(Template):
    """When is a fact of a stall shown? Among few scenes a guess would often be right."""

    least_idles = MAX_IDLES

    def ask(self, streams: Streams) -> Asked:
        """Draw a stall, and the position of the scene that is asked for."""
        wanted = [description.draw(streams.question) for description in self.described]
        question = self.word(streams.question, wanted)
        return Asked(question, "interval", wanted, place=streams.key.randrange(len(self.shown)))

    def solve(self, script: Script, stalls: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return when the fact is shown."""
        return _span(stalls[0].scenes, self.shown[-1])


class Earlier(Template):
    """Which of two stalls was filmed earlier?"""

    def ask(self, streams: Streams) -> Asked:
        """Draw two stalls, and their days."""
        wanted = [description.draw(streams.question) for description in self.described]
        question = self.word(streams.question, wanted)
        options = (*(self._name(n, slots) for n, slots in enumerate(wanted)), SAME_DAY)
        at = streams.key.randrange(len(options))
        early, late = sorted(pick(streams.content, ANSWERS["day"], 2), key=int)
        days = ((early, late), (late, early), (early, early))[at]
        decisive = [slots | {"day": day} for slots, day in zip(wanted, days, strict=True)]
        return Asked(question, "choice", decisive, options, ascii_uppercase[at], ("day", ANSWERS["day"], ()))

    def solve(self, script: Script, stalls: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the stall with the lower day."""
        one, other = (int(stated(stall, self.shown[-1])["day"]) for stall in stalls)
        return "A" if one < other else "B" if other < one else "C"

    def _name(self, n: int, slots: Slots) -> str:
        return f"The video in which {self.described[n].clauses[0].format(**slots)}."


def _shown(asked: Fact) -> tuple[Fact, ...]:
    """Return the facts that every stall states; what is asked for comes last."""
    return (*(fact for fact in (GIFTS.fact, POSTER, PLAN) if fact is not asked), asked)


TEMPLATES: tuple[Template, ...] = (
    LookUp(
        "choice",
        "word",
        GIFTS,
        "In the video in which {0}, which word is on the card?",
        "Which word does the card show in the video in which {0}?",
    ),
    LookUp(
        "choice",
        "place",
        POSTERS,
        "Where do they go from the place where {0}?",
        "In one of the videos {0}. Where will the people there go next?",
    ),
    LookUp(
        "text",
        "place",
        POSTERS,
        "Name the place where they go next in the video in which {0}.",
        "In one of the videos {0}. To what kind of place do the people there go next?",
    ),
    LookUp(
        "number",
        "number",
        GIFTS,
        "In the video in which {0}, what is the number on the card?",
        "Which number does the card show in the video in which {0}?",
    ),
    When(
        "interval",
        (GIFTS,),
        _shown(POSTER),
        "When is the poster shown in the video in which {0}?",
        "In one of the videos {0}. In which interval does that video show its poster?",
    ),
    Earlier(
        "choice",
        (GIFTS, POSTERS),
        _shown(FACT_OF["day"]),
        "Which was filmed on the earlier day: the video in which {0}, or the one in which {1}?",
        "By the days on their cards, which is older: the video in which {0}, or the one in which {1}?",
    ),
)


class LibraryGenerator:
    """LIB."""

    task: Task = "LIB"

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Make a library in which one or two stalls are as the question describes them."""
        template = streams.question.choice(TEMPLATES)
        asked = template.ask(streams)
        rng = streams.content
        decisive, others = _stalls(rng, template, asked, difficulty)
        order = rng.sample(range(difficulty.library), difficulty.library)
        numbers = {id(stall): n for n, stall in zip(order, [*decisive, *others], strict=True)}
        stalls = sorted([*decisive, *others], key=lambda stall: numbers[id(stall)])
        drafts = [_film(rng, difficulty, n, stall, template, asked) for n, stall in enumerate(stalls, start=1)]
        return Script(
            id="new",
            task="LIB",
            question=asked.question,
            kind=asked.kind,
            options=asked.options,
            key=asked.key or _span(drafts[numbers[id(decisive[0])]].scenes, template.shown[-1]),
            videos=tuple(draft.video(title(rng)) for draft in drafts),
            evidence=tuple(proof for draft in drafts for proof in draft.proofs),
            origin=PENDING_ORIGIN,
        )

    def solve(self, script: Script) -> AnswerValue:
        """Return what the videos state that fit the descriptions in the question."""
        for template in TEMPLATES:
            wanted = template.read(script.question)
            if wanted is not None and template.kind == script.kind:
                found = zip(template.described, wanted, strict=True)
                return template.solve(script, [_described(script, *one) for one in found])
        raise ValueError(f"not a question of this generator: {script.question!r}")


def _stalls(
    rng: random.Random, template: Template, asked: Asked, difficulty: Difficulty
) -> tuple[list[Stall], list[Stall]]:
    """Return the stalls that decide the question, and all others."""
    wanted = [
        {name: slots[name] for name in description.values}
        for description, slots in zip(template.described, asked.decisive, strict=True)
    ]
    decisive = [any_stall(rng, *wanted) for _ in wanted]
    for stall, description, slots in zip(decisive, template.described, asked.decisive, strict=True):
        stall.slots |= slots
        stall.proves = (description.fact, template.shown[-1])
    near = max(2, round(min(MAX_DECOYS, DECOY_SHARE * difficulty.library) * difficulty.closeness))
    others = [stall for slots in wanted for stall in decoys(rng, slots, near // len(wanted), *wanted)]
    far = difficulty.library - len(decisive) - len(others)
    near = len(others)
    others += [any_stall(rng, *wanted) for _ in range(far)]
    if asked.answers is not None:
        name, options, rest = asked.answers
        for stall, value in zip(others, deal(rng, decisive[0].slots[name], options, rest, near, far), strict=True):
            stall.slots[name] = value
    return decisive, others


def _film(
    rng: random.Random, difficulty: Difficulty, number: int, stall: Stall, template: Template, asked: Asked
) -> VideoDraft:
    """Return the timeline of a stall: its facts in random order, between scenes that do not matter."""
    facts = rng.sample(template.shown, len(template.shown))
    if stall.proves and asked.place is not None:
        facts.remove(template.shown[-1])
        facts.insert(asked.place, template.shown[-1])
    beats = [fact.beat(rng, stall.slots, proves=fact in stall.proves) for fact in facts]
    others = [fact.beat(rng, slots) for fact, slots in stall.extra]
    idles = min(MAX_IDLES, max(difficulty.scenes // 2 - 2, template.least_idles))
    others += [_idle(rng) for _ in range(idles - len(others))]
    draft = VideoDraft(rng, difficulty, number, rng.choice(WALLS), rng.choice(FLOORS))
    for beat in mixed_in(rng, beats, rng.sample(others, len(others))):
        draft.add(beat)
    return draft


def _idle(rng: random.Random) -> Beat:
    caption = fill(rng.choice(CHATTER)) if rng.random() < 0.5 else ""
    return Beat(fill(rng.choice(IDLES)), caption=caption, knock=not caption and rng.random() < 0.1)


def _described(script: Script, description: Description, slots: Slots) -> ScriptedVideo:
    return next(video for video in script.videos if stated(video, description.fact) == slots)


def _span(scenes: Sequence[Scene], fact: Fact) -> tuple[float, float]:
    """Return when a fact is stated."""
    scene = next(scene for scene in scenes if fact.read(scene))
    return scene.start_s, scene.end_s
