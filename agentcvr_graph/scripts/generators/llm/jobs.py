"""Generation jobs: a job is a task and a seed, which determine everything that is drawn at random."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Literal

from agentcvr_graph.scripts.schema import KIND_OF, Task

REDRAW = 1_000_003
"""Distance of the seeds of a job's attempts, so that a redrawn job never has the seed of another job."""
TOPICS = (
    *("a bakery", "a car workshop", "a wedding", "a school kitchen", "a harbour", "a hospital ward", "a film set"),
    *("a chess club", "a farm in winter", "a furniture shop", "a street market", "a fire station", "a bicycle race"),
    *("a pottery class", "a village theatre", "a mountain hut", "a railway depot", "a flower shop", "a museum"),
    *("a fishing boat", "a laundry", "a radio studio", "a building site", "a swimming pool", "a vineyard", "a zoo"),
)
TURNS = (
    "two of the videos look almost the same",
    "the decisive scene is very short",
    "what is said contradicts what one would expect from the pictures",
    "the decisive words are said over an unimportant picture",
    "the order of two events decides",
    "a number that is said decides",
    "the colour of one thing decides",
    "one video lacks a step that the others have",
)
OPTIONS: dict[Task, int] = {"PEA": 3, "PI": 6}
"""Options of a task; four where none is named."""


@dataclass(frozen=True)
class Job:
    """One script to be written."""

    task: Task
    seed: int
    attempt: int = 0
    """Number of redraws after rejected attempts."""
    maker: Literal["llm", "own"] = "llm"
    """`llm`: the model invents the videos; `own`: it writes about the user's own."""

    @property
    def id(self) -> str:
        """Return the id of the script, the same for every attempt."""
        return f"{self.task.lower()}-{self.maker}-{self.seed:06d}"

    def redrawn(self) -> Job:
        return replace(self, attempt=self.attempt + 1)

    @property
    def topic(self) -> str:
        return self.rng("topic").choice(TOPICS)

    @property
    def turn(self) -> str:
        """Return what makes this question hard."""
        return self.rng("turn").choice(TURNS)

    @property
    def videos(self) -> int:
        """Return how many videos the question has."""
        fixed = {"PEA": 3, "PI": 2, "FSA": 2, "MSR": 2, "MOC": 2, "CCQA": 2}
        return fixed.get(self.task) or self.rng("videos").choice((3, 4))

    @property
    def options(self) -> int:
        return OPTIONS.get(self.task, 4) if KIND_OF[self.task] in ("choice", "choices") else 0

    @property
    def key(self) -> str:
        """Return which answer must be right, so that keys are spread evenly; empty where the model may choose."""
        rng = self.rng("key")
        if KIND_OF[self.task] == "choice":
            return ascii_uppercase[rng.randrange(self.options)]
        if KIND_OF[self.task] == "choices":
            chosen = rng.randrange(1, 2**self.options)
            return ", ".join(ascii_uppercase[n] for n in range(self.options) if chosen >> n & 1)
        if KIND_OF[self.task] == "order":
            return "->".join(str(n) for n in rng.sample(range(1, self.videos + 1), self.videos))
        return ""

    def rng(self, what: str) -> random.Random:
        """Return the random numbers of one decision, the same for the same job and attempt."""
        return random.Random(f"{self.task}/{self.seed + REDRAW * self.attempt}/{what}")


def jobs_of(counts: Mapping[Task, int], seed: int, maker: Literal["llm", "own"] = "llm") -> Iterator[Job]:
    """Yield the jobs of a run: `seed`, `seed + 1`, ... for each task."""
    for task, count in counts.items():
        for n in range(count):
            yield Job(task, seed + n, maker=maker)
