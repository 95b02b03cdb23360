"""Answer every question twice: in swap mode, and live on the video rendered from its script.

Runs are stored in the folder of the report with a hash of the script and the models, so an interrupted measurement
continues where it stopped, question by question. A run in which the infrastructure failed is not stored: the same
command repeats it. Questions about the same videos (`scripts sets`) share one rendering.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import read_model_string, resolve_chat_model
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.perception.noise import Noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import full_cost
from agentcvr_graph.scripts.library import ScriptLibrary, script_json
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import VERSION, RenderedScript, render_script, rendered_question
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.cancellation import run_in_thread
from agentcvr_graph.utils.files import atomic_write_text

SETTINGS = CVRContext(abstain="never")
"""Both sides answer every question, so that their values can be compared."""
LIVE_CONCURRENCY = 2
"""Concurrent live questions; the offline models use all cores already."""


@dataclass(frozen=True)
class Budget:
    """The settings of both sides."""

    context: CVRContext = SETTINGS
    share: float | None = None
    """Frames and sound as a share of what looking at and hearing everything costs; None for those of the context."""

    def of(self, script: Script) -> CVRContext:
        """Return the settings for a question."""
        return self.context if self.share is None else self.context.with_share_of(full_cost(script), self.share)


@dataclass(frozen=True)
class Pair:
    """One question, answered scripted and live."""

    script: Script
    scripted: Trajectory
    live: Trajectory

    @property
    def cluster(self) -> str:
        """Return what questions about the same videos have in common."""
        return videos_key(self.script)

    @property
    def scripted_score(self) -> float:
        return score_of(self.scripted.answer, self.script.key)

    @property
    def live_score(self) -> float:
        return score_of(self.live.answer, self.script.key)

    @property
    def answers_agree(self) -> float:
        """Return the score of the live answer with the scripted answer as its key; 1 if neither side has a value."""
        one, other = self.scripted.answer, self.live.answer
        expected = one.value if one else None
        if expected is None:
            return float(other is None or other.value is None)
        return score_of(other, expected)

    def as_record(self) -> dict[str, object]:
        """Return the question and both results as JSON values."""
        return {
            "id": self.script.id,
            "task": self.script.task,
            "videos": self.cluster,
            "key": self.script.key,
            "scripted": self.scripted_score,
            "live": self.live_score,
            "runs": {"scripted": _run_record(self.scripted), "live": _run_record(self.live)},
        }


def _run_record(trajectory: Trajectory) -> dict[str, object]:
    usage, answer = trajectory.usage, trajectory.answer
    return {
        "value": answer.value if answer else None,
        "failed_calls": list(trajectory.failed_calls),
        "turns": len(trajectory.turns),
        "frames": usage.frames,
        "audio_s": usage.audio_s,
        "wall_s": usage.wall_s,
    }


def videos_key(script: Script) -> str:
    """Return a digest of the videos of a script."""
    content = "|".join(video.model_dump_json() for video in script.videos)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


async def run_scripted(
    scripts: Sequence[Script], master: str, noise: Noise, folder: Path, budget: Budget, done: Callable[[], None]
) -> list[Trajectory]:
    """Answer every question in swap mode; call `done` after each."""
    perception = ScriptedPerception(ScriptLibrary.of(scripts), noise)
    stored = Stored(folder / "scripted", noise.model_dump_json())
    return await run_over(perception, scripts, master, stored, budget, done)


async def run_over(
    perception: Perception,
    scripts: Sequence[Script],
    master: str,
    stored: Stored,
    budget: Budget,
    done: Callable[[], None],
) -> list[Trajectory]:
    """Answer every question over a perception of the scripts; call `done` after each."""
    graph = create_cvr_graph(resolve_chat_model(master), perception).compile()
    stored = replace(stored, depends_on=f"{_cache_name(master)}|{stored.depends_on}")
    found: list[Trajectory] = []
    for script in scripts:
        context = budget.of(script)
        run = functools.partial(ask, graph, as_input(script.as_question()), context)
        found.append(await stored.once(script, context, run))
        done()
    return found


async def run_live(
    scripts: Sequence[Script], models: ModelStrings, folder: Path, budget: Budget, done: Callable[[], None]
) -> list[Trajectory]:
    """Answer every question on its rendered video; call `done` after each.

    Raises:
        SetupError: a model, ffmpeg's libraries or flite is missing.
    """
    graph = create_cvr_graph(
        resolve_chat_model(models.master), resolve_perception(models.vision, models.audio)
    ).compile()
    free = asyncio.Semaphore(LIVE_CONCURRENCY)
    names = (models.master, models.vision, models.audio)
    stored = Stored(folder / "live", "|".join([VERSION, *map(_cache_name, names)]))
    renderings = Renderings(scripts, folder / "rendered")

    async def ask_one(script: Script) -> Trajectory:
        context = budget.of(script)

        async def answered() -> Trajectory:
            question = rendered_question(script, await renderings.of(script))
            return await ask(graph, as_input(question), context)

        async with free:
            trajectory = await stored.once(script, context, answered)
            done()
            return trajectory

    return list(await asyncio.gather(*(ask_one(script) for script in scripts)))


class Renderings:
    """The rendered videos of scripts. Scripts with the same videos share a rendering, in the folder of the first."""

    def __init__(self, scripts: Sequence[Script], folder: Path) -> None:
        self._folder = folder
        self._first: dict[str, Script] = {}
        self._rendering: dict[str, asyncio.Task[RenderedScript]] = {}
        for script in scripts:
            self._first.setdefault(videos_key(script), script)

    async def of(self, script: Script) -> RenderedScript:
        """Return the files of a script; render them if no other question did."""
        key = videos_key(script)
        if key not in self._rendering:
            job = run_in_thread(render_script, self._first[key], self._folder)
            self._rendering[key] = asyncio.create_task(job)
        return await self._rendering[key]


@dataclass(frozen=True)
class Stored:
    """Trajectories in a folder, one file a question, each with a hash of what it depends on."""

    folder: Path
    depends_on: str

    async def once(self, script: Script, context: CVRContext, run: Callable[[], Awaitable[Trajectory]]) -> Trajectory:
        """Return the stored trajectory of a question, or run it; store it unless the infrastructure failed."""
        kept = self.folder / f"{script.id}.json"
        depends_on = f"{self.depends_on}|{context.model_dump_json()}|{script_json(script)}"
        stamp = hashlib.sha256(depends_on.encode()).hexdigest()
        trajectory = _recall(kept, stamp)
        if trajectory is None:
            trajectory = await run()
            if not trajectory.failed_calls:  # such as a timeout on a busy machine
                _keep(kept, stamp, trajectory)
        return trajectory


def _cache_name(model: str) -> str:
    """Return a name that changes with the model's weights, as far as they are on this computer."""
    return read_model_string(model).cache_name()


def _recall(kept: Path, stamp: str) -> Trajectory | None:
    try:
        first, _, body = kept.read_text(encoding="utf-8").partition("\n")
        return Trajectory.model_validate_json(body) if first == stamp else None
    except (OSError, ValidationError):
        return None


def _keep(kept: Path, stamp: str, trajectory: Trajectory) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(kept, f"{stamp}\n{trajectory.model_dump_json()}")
