"""Answer every question twice: in swap mode, and live on the video rendered from its script.

A live run takes seconds, so each one is stored in the folder of the report with a hash of the script and the models. An
interrupted measurement continues where it stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.perception.noise import Noise
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary, script_json
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import VERSION, render_script, rendered_question
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.files import atomic_write_text

SETTINGS = CVRContext(abstain="never")
"""Both sides answer every question, so that their values can be compared."""
LIVE_CONCURRENCY = 2
"""Concurrent live questions; the offline models use all cores already."""


@dataclass(frozen=True)
class Pair:
    """One question, answered scripted and live."""

    script: Script
    scripted: Trajectory
    live: Trajectory

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


async def run_scripted(scripts: Sequence[Script], master: str, noise: Noise) -> list[Trajectory]:
    """Answer every question in swap mode."""
    perception = ScriptedPerception(ScriptLibrary.of(scripts), noise)
    graph = create_cvr_graph(resolve_chat_model(master), perception).compile()
    return [await ask(graph, as_input(script.as_question()), SETTINGS) for script in scripts]


async def run_live(
    scripts: Sequence[Script], models: ModelStrings, folder: Path, done: Callable[[], None]
) -> list[Trajectory]:
    """Answer every question on its rendered video; call `done` after each.

    Raises:
        SetupError: a model, ffmpeg's libraries or flite is missing.
    """
    graph = create_cvr_graph(
        resolve_chat_model(models.master), resolve_perception(models.vision, models.audio)
    ).compile()
    free = asyncio.Semaphore(LIVE_CONCURRENCY)

    async def ask_one(script: Script) -> Trajectory:
        async with free:
            kept = folder / "live" / f"{script.id}.json"
            stamp = hashlib.sha256(f"{VERSION}|{script_json(script)}|{models}".encode()).hexdigest()
            trajectory = _recall(kept, stamp)
            if trajectory is None:
                rendered = await asyncio.to_thread(render_script, script, folder / "rendered")
                trajectory = await ask(graph, as_input(rendered_question(script, rendered)), SETTINGS)
                _keep(kept, stamp, trajectory)
            done()
            return trajectory

    return list(await asyncio.gather(*(ask_one(script) for script in scripts)))


def _recall(kept: Path, stamp: str) -> Trajectory | None:
    try:
        first, _, body = kept.read_text(encoding="utf-8").partition("\n")
        return Trajectory.model_validate_json(body) if first == stamp else None
    except (OSError, ValidationError):
        return None


def _keep(kept: Path, stamp: str, trajectory: Trajectory) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(kept, f"{stamp}\n{trajectory.model_dump_json()}")
