"""The lessons of the warm start: demonstrations, recorded on all cores, in the order of learning.

Reading comes before looking. The first lessons are for reading alone: all of a world is seen and heard at once, in
worlds that grow, and only the turn that answers is imitated; how the evidence was come by is not. The last lesson is
the worlds as they are, in which the careless demonstrator looks anywhere: what the policy knows of looking when the
lessons are over, it has from there. Conversations of similar length stand together, so that little of a batch is
padding.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.errors import BugError
from agentcvr_graph.scripts.schema import Task
from agentcvr_graph.scripts.worlds import LEVELS, make_scripts
from agentcvr_graph.scripts.worlds.base import Difficulty
from agentcvr_graph.state import CVRContext
from training.demonstrations import demonstrate
from training.settings import Settings
from training.tiny.careless import CarelessMaster
from training.tiny.measuring import simulator

CHUNK = 50
"""Scripts of each task that a process answers at a time."""
SPAN = 2048
"""Demonstrations among which those of similar length are put together."""
FIRST_SEED = 1_000_000
"""Of the scripts that are demonstrated; below it are those of reinforcement learning."""
LESSONS_APART = 1_000_000


@dataclass(frozen=True)
class Lesson:
    """Demonstrations of one sort."""

    difficulty: Difficulty
    each: int
    """Scripts of each task."""
    habits: Mapping[str, Any]
    """The demonstrator's (`CarelessMaster`)."""
    imitated: Literal["all", "last"]


EVERYTHING: Mapping[str, Any] = {"max_looks": 1, "whole": 1.0, "every": 1.0, "senses": ("both",)}
LESSONS = (
    Lesson(Difficulty(videos=2, scenes=4), 1500, EVERYTHING, "last"),
    Lesson(Difficulty(videos=3, scenes=6), 700, EVERYTHING, "last"),
    Lesson(LEVELS["normal"], 700, EVERYTHING, "last"),
    Lesson(LEVELS["normal"], 300, {}, "all"),
)


@dataclass(frozen=True)
class Chunk:
    """A part of a lesson."""

    settings: Settings
    lesson: Lesson
    seed: int
    """Of the first script of each task."""
    each: int


def record(settings: Settings, path: Path, console: Console, lessons: Sequence[Lesson] = LESSONS) -> None:
    """Write the demonstrations of all lessons. The file appears when it is whole.

    Args:
        settings: tasks, noise and graph; the size of a batch of the warm start.
    """
    rng = random.Random(settings.seed)
    batch = int(settings.sft.trainer.get("per_device_train_batch_size", 8)) if settings.sft else 8
    draft = path.with_suffix(".part")
    columns = (TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        draft.open("w", encoding="utf-8") as file,
        ProcessPoolExecutor(os.cpu_count()) as pool,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        for number, lesson in enumerate(lessons):
            chunks = list(_chunks(settings, number, lesson))
            recorded = progress.track(pool.map(record_chunk, chunks), total=len(chunks))
            lines = [line for chunk in recorded for line in chunk]
            rng.shuffle(lines)
            file.writelines(arranged(lines, batch, rng))
    draft.replace(path)


def _chunks(settings: Settings, number: int, lesson: Lesson) -> Iterator[Chunk]:
    first = settings.scripts.seed + FIRST_SEED + number * LESSONS_APART
    for start in range(0, lesson.each, CHUNK):
        yield Chunk(settings, lesson, first + start, min(CHUNK, lesson.each - start))


def record_chunk(chunk: Chunk) -> list[str]:
    """The demonstrations of a chunk, a line each."""
    counts: dict[Task, int] = dict.fromkeys(chunk.settings.scripts.tasks, chunk.each)
    scripts = list(make_scripts(counts, chunk.seed, chunk.lesson.difficulty))
    master = CarelessMaster(seed=chunk.settings.seed, **chunk.lesson.habits)

    async def lines() -> list[str]:
        found: list[str] = []
        context: CVRContext = chunk.settings.context
        async for one in demonstrate(master, simulator(scripts, chunk.settings), scripts, context):
            if one is None:
                raise BugError("The simulator failed.")
            found.append(one.model_copy(update={"imitated": chunk.lesson.imitated}).model_dump_json() + "\n")
        return sorted(found)  # by script, not by which ended first

    return asyncio.run(lines())


def arranged(lines: Sequence[str], batch: int, rng: random.Random) -> Iterator[str]:
    """Lines of similar length side by side, in batches; batches in random order."""
    for start in range(0, len(lines), SPAN):
        span = sorted(lines[start : start + SPAN], key=len)
        batches = [span[n : n + batch] for n in range(0, len(span), batch)]
        rng.shuffle(batches)
        for one in batches:
            yield from one
