"""What a procedural world is: a seeded maker of questions of one task type, and a solver that reads the whole script.

Worlds follow one order, which is why a question alone never tells its answer: **the question first, the key second, the
world third**. The question and its options are drawn from one random stream, the key uniformly from another, and then
videos are filmed in which that key, and no other, is right. `Streams` keeps the three apart.

The solver finds the answer in the words of the timelines, never in `script.key`; it is the proof that a script is
consistent and can be answered (its score is 100 by a test), and an upper bound for every master.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.schema import Origin, Script, Task
from agentcvr_graph.types import AnswerValue

T = TypeVar("T")


@dataclass(frozen=True)
class Difficulty:
    """How hard the questions of a world are. `LEVELS` names three of them."""

    videos: int = 4
    """Videos a question has, where the task leaves it open."""
    scenes: int = 8
    """Scenes a video has, at least."""
    scene_s: float = 6.0
    """Mean length of a scene that does not matter."""
    decisive_s: float = 4.0
    """Mean length of a scene that does; one in which something is said lasts at least as long as saying it."""
    closeness: float = 0.7
    """How alike right and wrong are, 0 to 1: the share of distractors that miss the mark by a single detail."""

    def __post_init__(self) -> None:
        limits = {"videos": (2, 8), "scenes": (4, 200), "scene_s": (1, 600), "decisive_s": (0.5, 600)}
        for name, (least, most) in {**limits, "closeness": (0, 1)}.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(f"The difficulty {name}={getattr(self, name)!r} is outside {least} to {most}.")

    def with_settings(self, settings: Mapping[str, float]) -> Difficulty:
        """This difficulty with some settings replaced.

        Raises:
            InputError: there is no such setting, or its value is out of range.
        """
        names = [field.name for field in fields(self)]
        for name in settings:
            if name not in names:
                raise InputError(f"There is no difficulty setting {name!r}.", fix=f"Choose from: {', '.join(names)}.")
        given: dict[str, Any] = {**settings, **{n: int(settings[n]) for n in ("videos", "scenes") if n in settings}}
        return replace(self, **given)


LEVELS: dict[str, Difficulty] = {
    "easy": Difficulty(videos=3, scenes=5, scene_s=5.0, decisive_s=5.0, closeness=0.3),
    "normal": Difficulty(),
    "hard": Difficulty(videos=5, scenes=24, scene_s=10.0, decisive_s=2.0, closeness=1.0),
}


class Streams:
    """The three independent random streams of one script."""

    def __init__(self, task: str, seed: int) -> None:
        self.question = random.Random(f"{task}/{seed}/question")
        self.key = random.Random(f"{task}/{seed}/key")
        self.world = random.Random(f"{task}/{seed}/world")


class World(Protocol):
    """A maker of scripts of one task type."""

    @property
    def task(self) -> Task: ...

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """A script, complete but for its id and origin, which `worlds.make_script` sets."""
        ...

    def solve(self, script: Script) -> AnswerValue:
        """The answer, from the words of the timelines.

        Raises:
            ValueError: the timelines do not tell.
        """
        ...


UNMADE = Origin(generator="worlds")
"""Stands in a script until `make_script` has said how it was made."""


def pick(rng: random.Random, things: Sequence[T], count: int) -> list[T]:
    """`count` different things in random order."""
    return rng.sample(list(things), count)


def fill(template: str, **words: str) -> str:
    """A sentence for a template with `{name}` holes, its first letter large."""
    text = template.format(**words)
    return text[0].upper() + text[1:]


def read(templates: Sequence[str], text: str) -> dict[str, str] | None:
    """The words that `fill` put into one of the templates; None where the text was made from none of them.

    >>> read(["add the {x} before the {y}."], "Add the salt before the olive oil.")
    {'x': 'salt', 'y': 'olive oil'}
    """
    for template in templates:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template))
        match = re.fullmatch(pattern, text, re.I)
        if match:
            return match.groupdict()
    return None
