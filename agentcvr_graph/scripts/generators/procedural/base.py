"""What a procedural generator is: a seeded maker of scripts of one task type, and a solver that reads the whole script.

Generators follow one order, which is why a question alone never gives its answer away: **the question first, the key
second, the videos third**. The question and its options are drawn from one random stream, the key uniformly from
another; then videos are made for which that key, and no other, is right. `Streams` keeps the three apart.

The solver finds the answer in the words of the timelines, never in `script.key`. It proves that a script is consistent
and can be answered (a test requires a score of 100), and it is an upper bound for every master.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, TypeVar

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.schema import Origin, Script, Task
from agentcvr_graph.types import AnswerValue

T = TypeVar("T")


@dataclass(frozen=True)
class Difficulty:
    """How hard the questions of a generator are. `LEVELS` names three levels."""

    videos: int = 4
    """Videos of a question, where the task does not fix their number."""
    scenes: int = 8
    """Least number of scenes of a video."""
    scene_s: float = 6.0
    """Mean length in seconds of a scene that does not matter for the answer."""
    decisive_s: float = 4.0
    """Mean length in seconds of a scene that matters; a scene lasts at least as long as its speech."""
    closeness: float = 0.7
    """How alike right and wrong are, 0 to 1: the share of distractors that differ from the right one in one detail."""
    library: int = 100
    """Videos of a question that searches a library (task LIB)."""

    def __post_init__(self) -> None:
        limits = {"videos": (2, 8), "scenes": (4, 200), "scene_s": (1, 600), "decisive_s": (0.5, 600)}
        for name, (least, most) in {**limits, "closeness": (0, 1), "library": (30, 300)}.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(f"The difficulty {name}={getattr(self, name)!r} is outside {least} to {most}.")

    def with_settings(self, settings: Mapping[str, float]) -> Difficulty:
        """Return this difficulty with some settings replaced.

        Raises:
            InputError: there is no such setting, or its value is out of range or not a whole number.
        """
        names = [field.name for field in fields(self)]
        for name in settings:
            if name not in names:
                raise InputError(f"There is no difficulty setting {name!r}.", fix=f"Choose from: {', '.join(names)}.")
        counted = [name for name in ("videos", "scenes", "library") if name in settings]
        for name in counted:
            if not float(settings[name]).is_integer():
                raise InputError(f"The difficulty {name}={settings[name]!r} is not a whole number.")
        counts = {name: int(settings[name]) for name in counted}
        given: dict[str, Any] = {**settings, **counts}
        return replace(self, **given)


LEVELS: dict[str, Difficulty] = {
    "easy": Difficulty(videos=3, scenes=5, scene_s=5.0, decisive_s=5.0, closeness=0.3, library=30),
    "normal": Difficulty(),
    "hard": Difficulty(videos=5, scenes=24, scene_s=10.0, decisive_s=2.0, closeness=1.0, library=300),
}


Phrasing = Literal["training", "held-out"]
"""Which templates a question may be worded with, where a task splits its templates."""
PHRASINGS: tuple[Phrasing, ...] = ("training", "held-out")


class Streams:
    """The three independent random streams of one script.

    Args:
        phrasing: the templates that the question may use, of tasks that split them.
    """

    def __init__(self, task: str, seed: int, phrasing: Phrasing = "training") -> None:
        self.phrasing: Phrasing = phrasing
        self.question = random.Random(f"{task}/{seed}/question")
        self.key = random.Random(f"{task}/{seed}/key")
        self.content = random.Random(f"{task}/{seed}/world")


class ScriptGenerator(Protocol):
    """Makes scripts of one task type."""

    @property
    def task(self) -> Task: ...

    def make(self, streams: Streams, difficulty: Difficulty) -> Script:
        """Return a script that is complete but for its id and origin, which `make_script` sets."""
        ...

    def solve(self, script: Script) -> AnswerValue:
        """Return the answer, from the words of the timelines.

        Raises:
            ValueError: the timelines do not contain it.
        """
        ...


PENDING_ORIGIN = Origin(generator="worlds")
"""Placeholder until `make_script` sets the origin."""


def pick(rng: random.Random, things: Sequence[T], count: int) -> list[T]:
    """Return `count` different things in random order."""
    return rng.sample(list(things), count)


def fill(template: str, **words: str) -> str:
    """Return a template with its `{name}` fields filled, its first letter in upper case."""
    text = template.format(**words)
    return text[0].upper() + text[1:]


def read(templates: Sequence[str], text: str) -> dict[str, str] | None:
    """Return the words that `fill` put into one of the templates; None where the text was made from none of them.

    >>> read(["add the {x} before the {y}."], "Add the salt before the olive oil.")
    {'x': 'salt', 'y': 'olive oil'}
    """
    return next((words for template in templates if (words := matches(template, text)) is not None), None)


def matches(template: str, text: str) -> dict[str, str] | None:
    """Return the words that `fill` put into a template; None where the text was not made from it."""
    match = _pattern(template).fullmatch(text)
    return match.groupdict() if match else None


@functools.lru_cache(maxsize=8192)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template)), re.I)
