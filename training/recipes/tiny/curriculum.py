"""The lessons of the warm start: demonstrations, recorded on all cores, in the order of learning.

Two courses run side by side. Reading: all of a world is seen and heard at once, in worlds that grow, and only the
answers are imitated, to the question and to further ones about the same evidence (`more_questions.py`); how the
evidence was come by is not. Looking: the worlds as they are, in which the careless demonstrator looks anywhere; what
the policy knows of looking when the lessons are over, it has from there.
Conversations of similar length stand together, so that little of a batch is padding.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentcvr_training.config.settings import Settings
from agentcvr_training.demonstrations import Demonstration, demonstrate
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_from_dict, messages_to_dict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.errors import BugError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.offline.master.reading import read
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.generators.procedural.base import Difficulty
from agentcvr_graph.scripts.schema import Task
from training.recipes.tiny.evaluation import simulator
from training.recipes.tiny.follow_ups import ask_more
from training.recipes.tiny.random_demonstrator import RandomExplorationMaster, answering, random_for

CHUNK = 50
"""Scripts of each task that a process answers at a time."""
SPAN = 2048
"""Demonstrations among which those of similar length are put together."""
SHARES: dict[Task, float] = {"BU": 0.55, "PEA": 1.1, "PSS": 1.2, "FSA": 0.12, "NUM": 0.9}
"""How many scripts of each task, times what a lesson says: fewer where one script holds several questions, more where
little is to be read and much to be worked out, few of intervals, which are long and hardly learned at this size."""
FIRST_SEED = 1_000_000
"""Of the scripts that are demonstrated; below it are those of reinforcement learning."""
LESSONS_APART = 1_000_000


@dataclass(frozen=True)
class Lesson:
    """Demonstrations of one sort."""

    difficulty: Difficulty
    each: int
    """Scripts of each task, times its share."""
    habits: Mapping[str, Any]
    """The demonstrator's (`RandomExplorationMaster`)."""
    answers_only: bool = False
    """Whether only the turns that answer are imitated; then more is asked about the same evidence."""


RECORDED = ToolMessage(prompts.RECORDED, name="answer", tool_call_id="answer")
EVERYTHING: Mapping[str, Any] = {
    "max_looks": 1,
    "whole": 1.0,
    "every": 1.0,
    "senses": ("both",),
    # Where few frames miss what is asked for, the answer is a guess, and guesses teach no reading.
    "frames": (8, 16, 24),
}
"""A demonstrator who sees and hears all there is."""
READING = (
    Lesson(Difficulty(videos=2, scenes=4, closeness=0.0), 2400, EVERYTHING, answers_only=True),
    Lesson(Difficulty(videos=3, scenes=6, closeness=0.3), 1600, EVERYTHING, answers_only=True),
    Lesson(LEVELS["normal"], 3000, EVERYTHING, answers_only=True),
)
LOOKING = (Lesson(LEVELS["normal"], 800, {}),)
COURSES = (READING, LOOKING)


@dataclass(frozen=True)
class Chunk:
    """A part of a lesson."""

    settings: Settings
    lesson: Lesson
    seed: int
    """Of the first script of each task."""
    each: int


def record(settings: Settings, path: Path, console: Console, courses: Sequence[Sequence[Lesson]] = COURSES) -> None:
    """Write the demonstrations of all courses. The file appears when it is whole.

    Args:
        settings: tasks, noise and graph; the size of a batch of the warm start.
    """
    rng = random.Random(settings.seed)
    batch = int(settings.sft.trainer.get("per_device_train_batch_size", 8)) if settings.sft else 8
    draft = path.with_suffix(".part")
    columns = (TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    lessons = [(n, lesson) for n, course in enumerate(courses) for lesson in course]
    chunks = [list(_chunks(settings, number, lesson)) for number, (_, lesson) in enumerate(lessons)]
    taught: list[list[str]] = [[] for _ in courses]
    with ProcessPoolExecutor(os.cpu_count()) as pool, Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("recording", total=sum(map(len, chunks)))
        for (course, _), own in zip(lessons, chunks, strict=True):
            lines = [line for lines in progress.track(pool.map(record_chunk, own), task_id=bar) for line in lines]
            rng.shuffle(lines)
            taught[course] += lines
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(arranged(side_by_side(taught), batch, rng))
    draft.replace(path)


def side_by_side(courses: Sequence[Sequence[str]]) -> list[str]:
    """All courses at once, each in its own order and from beginning to end."""
    places = [((n + 0.5) / len(course), line) for course in courses for n, line in enumerate(course)]
    return [line for _, line in sorted(places, key=lambda place: place[0])]


def _chunks(settings: Settings, number: int, lesson: Lesson) -> Iterator[Chunk]:
    first = settings.scripts.seed + FIRST_SEED + number * LESSONS_APART
    for start in range(0, lesson.each, CHUNK):
        yield Chunk(settings, lesson, first + start, min(CHUNK, lesson.each - start))


def record_chunk(chunk: Chunk) -> list[str]:
    """The demonstrations of a chunk, a line each."""
    counts: dict[Task, int] = {task: round(chunk.each * SHARES.get(task, 1.0)) for task in chunk.settings.scripts.tasks}
    scripts = list(make_scripts(counts, chunk.seed, chunk.lesson.difficulty))
    master = RandomExplorationMaster(seed=chunk.settings.seed, **chunk.lesson.habits)

    async def lines() -> list[str]:
        found: list[str] = []
        context: CVRContext = chunk.settings.context
        async for one in demonstrate(master, simulator(scripts, chunk.settings), scripts, context):
            if one is None:
                raise BugError("The simulator failed.")
            found.append((with_more_questions(one) if chunk.lesson.answers_only else one).model_dump_json() + "\n")
        return sorted(found)  # by script, not by which ended first

    return asyncio.run(lines())


def with_more_questions(one: Demonstration) -> Demonstration:
    """The answers of a demonstration alone, and more of them where its task has more questions."""
    messages = messages_from_dict(one.messages)
    turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    for question, worked in ask_more(read(messages[: turns[-1]]), random_for(one.script_id)):
        messages += [HumanMessage(f"Question: {question}"), answering(worked), RECORDED]
    return one.model_copy(update={"messages": messages_to_dict(messages), "imitated_from": len(turns) - 1})


def arranged(lines: Sequence[str], batch: int, rng: random.Random) -> Iterator[str]:
    """Lines of similar length side by side, in batches; batches in random order."""
    for start in range(0, len(lines), SPAN):
        span = sorted(lines[start : start + SPAN], key=len)
        batches = [span[n : n + batch] for n in range(0, len(span), batch)]
        rng.shuffle(batches)
        for one in batches:
            yield from one
