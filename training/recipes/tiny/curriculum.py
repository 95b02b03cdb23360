"""The curriculum of the warm start: demonstrations in training order, recorded on all cores.

Two curricula are interleaved. READING: a demonstrator observes everything in a script at once, and the scripts grow.
Only its answers are imitated, to the question and to follow-ups about the same evidence (`follow_ups.py`); how it found
the evidence is not. EXPLORATION: the random-exploration demonstrator observes random windows of scripts at the default
difficulty; at the end of the warm start, this is all that the policy has learned about observing.
Conversations of similar length are adjacent, so that batches hold little padding.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentcvr_training.config.settings import Settings
from agentcvr_training.demonstrations import Demonstration, demonstrate
from agentcvr_training.measures.evaluation import simulator_of
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_from_dict, messages_to_dict
from rich.console import Console

from agentcvr_graph.errors import BugError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.offline.master.reading import read
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.generators.procedural.base import Difficulty
from agentcvr_graph.scripts.generators.procedural.tours.sets import SHORT
from agentcvr_graph.scripts.schema import TOUR_TASKS, Task
from agentcvr_graph.utils.files import atomic_write
from agentcvr_graph.utils.progress import ProgressBar
from training.recipes.exploration.follow_ups import follow_up_questions
from training.recipes.exploration.random_demonstrator import RandomExplorationMaster, answering, random_for

CHUNK = 50
"""Scripts of each task in one job of a process."""
SPAN = 2048
"""Number of demonstrations that are sorted by length together."""
SHARES: dict[Task, float] = {"BU": 0.55, "PEA": 1.1, "PSS": 1.2, "FSA": 0.12, "NUM": 0.9, "STOP": 0.6}
"""Factor on `each` of a stage for each task: lower if one script yields several questions, higher if there is little to
read and much to infer, and lowest for intervals, which are long and hardly learned at this size."""
FIRST_SEED = 1_000_000
"""Seed of the first demonstrated script; reinforcement learning uses the seeds below it."""
STAGE_SEEDS = 1_000_000
"""Seeds reserved for each stage."""


@dataclass(frozen=True)
class CurriculumStage:
    """Demonstrations of one difficulty, by a demonstrator with given options."""

    difficulty: Difficulty
    each: int
    """Scripts of each task, before the factor in `SHARES`."""
    options: Mapping[str, Any]
    """Fields of `RandomExplorationMaster`."""
    answers_only: bool = False
    """Whether only the answers are imitated; if so, follow-ups about the same evidence are added."""
    binding: bool = False
    """Whether budgets are drawn as in reinforcement learning; if not, everything can be afforded."""
    shares: Mapping[Task, float] = field(default_factory=lambda: SHARES, repr=False)
    """Factor on `each` for each task; 1 for the others."""
    block: int | None = field(default=None, repr=False)
    """Block of seeds that its scripts come from; None for the place of the stage among all stages."""


RECORDED = ToolMessage(prompts.RECORDED, name="answer", tool_call_id="answer")
EVERYTHING: Mapping[str, Any] = {
    "max_looks": 1,
    "whole": 1.0,
    "every": 1.0,
    "modalities": ("both",),
    # With too few frames the answer would be a guess, and guesses do not teach reading.
    "frames": (8, 16, 24),
}
"""Options of a demonstrator that observes all evidence in its first turn."""
READING = (
    CurriculumStage(Difficulty(videos=2, scenes=4, closeness=0.0), 2400, EVERYTHING, answers_only=True),
    CurriculumStage(Difficulty(videos=3, scenes=6, closeness=0.3), 1600, EVERYTHING, answers_only=True),
    CurriculumStage(LEVELS["normal"], 3000, EVERYTHING, answers_only=True),
)
EXPLORATION = (CurriculumStage(LEVELS["normal"], 800, {}),)
CURRICULA = (READING, EXPLORATION)
SMALL = LEVELS["normal"].with_settings({"videos": 3, "scenes": 6})
"""Tours that fit into 1,200 tokens."""
CLOSELY: Mapping[str, Any] = {**EVERYTHING, "frames": (24, 40, 56)}
TOUR_READING = (
    CurriculumStage(SMALL.with_settings({"videos": 2, "closeness": 0.3}), 1500, CLOSELY, answers_only=True),
    CurriculumStage(SMALL, 3500, CLOSELY, answers_only=True),
)
TOUR_EXPLORATION = (
    CurriculumStage(SMALL, 1600, {"closer": 0.5, "lengths_s": (10.0, 20.0, 40.0), "max_looks": 5}, binding=True),
)


LOOKING_BACK: Mapping[str, Any] = {
    **{"whole": 0.4, "closer": 0.5, "noted": 0.5, "stops": 0.3},
    **{"lengths_s": (10.0, 20.0, 40.0), "max_looks": 4},
}
"""Options of a demonstrator that often looks back at what its notes leave open, and as often anywhere else."""
FROM_THE_START: Mapping[str, Any] = {
    **{"whole": 0.3, "closer": 0.3, "noted": 0.7, "starts": 0.4, "stops": 0.25},
    **{"lengths_s": (10.0, 20.0, 40.0), "frames": (8, 16, 24, 40), "max_looks": 3},
}
"""Options of a demonstrator that also looks at, and listens to, the first seconds of videos more than elsewhere."""
FROM_AN_OVERVIEW: Mapping[str, Any] = {
    **{"overview": (2, 3, 4, 6, 8, 12, 24), "noted": 0.9, "whole": 0.3, "starts": 0.4, "stops": 0.2, "settles": 0.9},
    **{"lengths_s": (10.0, 20.0), "frames": (8, 16, 24, 40), "max_looks": 3},
    "modalities": ("visual", "visual", "both"),
}
"""Options of a demonstrator that first sees all videos whole, and then mostly looks where its notes leave something
open. With how many frames, whether it also listens, and often when it stops is drawn."""
COMPARING: Mapping[Task, float] = {"STOP": 0.5, "SPOT": 0.6, "COST": 1.9}
"""More of COST, whose numbers have to be compared."""
LOOKING_CLOSELY: Mapping[str, Any] = {
    **{"overview": (2, 3, 4, 6, 12), "noted": 0.95, "every": 0.9, "whole": 0.3, "stops": 0.1, "settles": 0.95},
    **{"lengths_s": (10.0, 20.0), "frames": (16, 24, 40), "max_looks": 3, "modalities": ("visual", "both")},
}
"""Options of a demonstrator whose second look mostly takes every window that its notes leave open, with many frames."""
FOURTH_SHARES: Mapping[Task, float] = {"STOP": 0.5, "COST": 1.3}
"""Fewer of STOP, whose conversations end after the overview."""
SECOND_READING = (CurriculumStage(SMALL, 1500, CLOSELY, answers_only=True, shares=COMPARING, block=10),)
SECOND_EXPLORATION = (CurriculumStage(SMALL, 1300, LOOKING_BACK, binding=True, block=11),)
THIRD_READING = (CurriculumStage(SMALL, 300, CLOSELY, answers_only=True, shares=COMPARING, block=12),)
THIRD_EXPLORATION = (CurriculumStage(SMALL, 850, FROM_THE_START, binding=True, shares={}, block=13),)
FOURTH_EXPLORATION = (CurriculumStage(SMALL, 1500, FROM_AN_OVERVIEW, binding=True, shares=FOURTH_SHARES, block=14),)
FIFTH_EXPLORATION = (CurriculumStage(SMALL, 1250, LOOKING_CLOSELY, binding=True, shares=FOURTH_SHARES, block=15),)
FIFTH_ON_SHORT_TOURS = (CurriculumStage(SHORT, 450, LOOKING_CLOSELY, binding=True, shares=FOURTH_SHARES, block=16),)
MOSTLY_STOP: Mapping[Task, float] = {"STOP": 1.5, "SPOT": 0.4, "COST": 0.6}
"""More of STOP, whose order has to be read from few frames."""
SIXTH_EXPLORATION = (CurriculumStage(SMALL, 1000, LOOKING_CLOSELY, binding=True, shares=MOSTLY_STOP, block=17),)
SIXTH_ON_SHORT_TOURS = (CurriculumStage(SHORT, 300, LOOKING_CLOSELY, binding=True, shares=MOSTLY_STOP, block=18),)
BY_NAME: Mapping[str, tuple[Sequence[CurriculumStage], ...]] = {
    "": CURRICULA,
    "tours": (TOUR_READING, TOUR_EXPLORATION),
    "tours-2": (SECOND_READING, SECOND_EXPLORATION),
    "tours-3": (THIRD_READING, THIRD_EXPLORATION),
    "tours-4": (FOURTH_EXPLORATION,),
    "tours-5": (FIFTH_EXPLORATION, FIFTH_ON_SHORT_TOURS),
    "tours-6": (SIXTH_EXPLORATION, SIXTH_ON_SHORT_TOURS),
}
"""The curricula by name; the one without a name is for short videos."""


def curricula_of(tasks: Sequence[Task], name: str = "") -> tuple[Sequence[CurriculumStage], ...]:
    """Return the curricula of a name, or else those for some tasks: over tours, or over short videos."""
    return BY_NAME[name or ("tours" if set(tasks) <= set(TOUR_TASKS) else "")]


@dataclass(frozen=True)
class Chunk:
    """A part of a stage that one process records."""

    settings: Settings
    stage: CurriculumStage
    seed: int
    """Seed of the first script of each task."""
    each: int


def record(
    settings: Settings, path: Path, console: Console, curricula: Sequence[Sequence[CurriculumStage]] = CURRICULA
) -> None:
    """Write the demonstrations of all curricula. The file appears when it is complete.

    Args:
        settings: source of tasks, noise, graph settings and the batch size of the warm start.
    """
    rng = random.Random(settings.seed)
    batch = int(settings.sft.trainer.get("per_device_train_batch_size", 8)) if settings.sft else 8
    stages = [(n, stage) for n, curriculum in enumerate(curricula) for stage in curriculum]
    chunks = [list(chunks_of(settings, number, stage)) for number, (_, stage) in enumerate(stages)]
    lines: list[list[str]] = [[] for _ in curricula]
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        ProgressBar("recording", sum(map(len, chunks)), console=console) as progress,
    ):
        for (number, _), own in zip(stages, chunks, strict=True):
            recorded: list[str] = []
            for found in pool.map(record_chunk, own):
                recorded += found
                progress.advance()
            rng.shuffle(recorded)
            lines[number] += recorded
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(batched_by_length(interleaved(lines), batch, rng))


def interleaved(curricula: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of all curricula, each spread evenly over the result and in its own order."""
    places = [((n + 0.5) / len(curriculum), line) for curriculum in curricula for n, line in enumerate(curriculum)]
    return [line for _, line in sorted(places, key=lambda place: place[0])]


def chunks_of(settings: Settings, number: int, stage: CurriculumStage) -> Iterator[Chunk]:
    """Yield the chunks of a stage, which is the one of this number unless it has its own block of seeds."""
    block = number if stage.block is None else stage.block
    first = settings.scripts.seed + FIRST_SEED + block * STAGE_SEEDS
    for start in range(0, stage.each, CHUNK):
        yield Chunk(settings, stage, first + start, min(CHUNK, stage.each - start))


def record_chunk(chunk: Chunk) -> list[str]:
    """Record a chunk; return one line of JSON for each demonstration."""
    counts: dict[Task, int] = {
        task: round(chunk.each * chunk.stage.shares.get(task, 1.0)) for task in chunk.settings.scripts.tasks
    }
    scripts = list(make_scripts(counts, chunk.seed, chunk.stage.difficulty))
    master = RandomExplorationMaster(seed=chunk.settings.seed, **chunk.stage.options)

    async def lines() -> list[str]:
        found: list[str] = []
        context: CVRContext = chunk.settings.context
        shares = chunk.settings.rollout.budget_shares if chunk.stage.binding else None
        async for one in demonstrate(
            master, simulator_of(scripts, chunk.settings), scripts, context, budget_shares=shares
        ):
            if one is None:
                raise BugError("The simulator failed.")
            found.append((with_follow_ups(one) if chunk.stage.answers_only else one).model_dump_json() + "\n")
        return sorted(found)  # in the order of the scripts, not of completion

    return asyncio.run(lines())


def with_follow_ups(one: Demonstration) -> Demonstration:
    """Return a demonstration of which only the answers are imitated, with follow-up questions if its task has any."""
    messages = messages_from_dict(one.messages)
    turns = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    for question, worked in follow_up_questions(read(messages[: turns[-1]]), random_for(one.script_id)):
        messages += [HumanMessage(f"Question: {question}"), answering(worked), RECORDED]
    return one.model_copy(update={"messages": messages_to_dict(messages), "imitated_from": len(turns) - 1})


def batched_by_length(lines: Sequence[str], batch: int, rng: random.Random) -> Iterator[str]:
    """Yield the lines in batches of similar length; the batches are in random order."""
    for start in range(0, len(lines), SPAN):
        span = sorted(lines[start : start + SPAN], key=len)
        batches = [span[n : n + batch] for n in range(0, len(span), batch)]
        rng.shuffle(batches)
        for one in batches:
            yield from one
