"""How well a policy answers: scripted, with its tools cut off, and live on real video. Every question counts.

All three are runs of the same graph over the same questions, greedy, so that two figures differ by what they are named
for and not by luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from agentcvr_training.config.settings import Settings
from agentcvr_training.rollout.episodes import Task
from agentcvr_training.rollout.runner import play
from pydantic import BaseModel

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Question


class ScoredQuestion(BaseModel):
    """One question that was asked."""

    script: str
    task: str
    score: float
    turns: int
    frames: int
    audio_s: float


def simulator(scripts: Sequence[Script], settings: Settings) -> ScriptedPerception:
    """The simulator over scripts, with the configured noise."""
    return ScriptedPerception(ScriptLibrary.of(scripts), settings.rollout.noise)


def ask_policy(
    folder: Path,
    settings: Settings,
    scripts: Sequence[Script],
    perception: Perception,
    questions: Sequence[Question] | None = None,
    *,
    live_graphs: int = 64,
    done: Callable[[], None] = lambda: None,
) -> list[ScoredQuestion]:
    """Let the policy in a folder answer scripts.

    Args:
        questions: what to ask in place of the scripts' own, one each: over the files of their twins.
        done: told after each.
    """
    saved = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(folder)})})
    asked = list(questions) if questions is not None else [None] * len(scripts)
    tasks = [Task(script, 0, question) for script, question in zip(scripts, asked, strict=True)]
    playing = play(saved, tasks, perception, temperature=0.0, live_graphs=live_graphs, done=lambda _: done())
    return [_asked(episode.script, episode.trajectory) for episode in asyncio.run(playing)]


def ask_offline(settings: Settings, scripts: Sequence[Script]) -> list[ScoredQuestion]:
    """Let the offline master answer scripts, in the same simulator."""

    async def answers() -> list[ScoredQuestion]:
        master = create_cvr_graph(OfflineMaster(), simulator(scripts, settings)).compile()
        inputs = [(script, as_input(script.as_question())) for script in scripts]
        return [_asked(script, await ask(master, given, settings.context)) for script, given in inputs]

    return asyncio.run(answers())


def _asked(script: Script, trajectory: Trajectory) -> ScoredQuestion:
    return ScoredQuestion(
        script=script.id,
        task=script.task,
        score=score_of(trajectory.answer, script.key),
        turns=len(trajectory.turns),
        frames=trajectory.usage.frames,
        audio_s=trajectory.usage.audio_s,
    )
