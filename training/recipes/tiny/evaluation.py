"""Evaluate a policy: scripted, as a blind baseline, and live on rendered video. No question is left out.

All three are greedy runs of the same graph over the same questions, so that two results differ only by the condition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rollout.episodes import RolloutTask
from agentcvr_training.rollout.runner import run_policy
from pydantic import BaseModel

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Question


class ScoredQuestion(BaseModel):
    """The result of one question."""

    script: str
    task: str
    score: float
    turns: int
    frames: int
    audio_s: float


def evaluate_policy(
    folder: Path,
    settings: Settings,
    scripts: Sequence[Script],
    perception: Perception,
    questions: Sequence[Question] | None = None,
    *,
    live_graphs: int = 64,
    on_episode: Callable[[], None] = lambda: None,
) -> list[ScoredQuestion]:
    """Run the policy in a folder on scripts.

    Args:
        questions: questions over rendered video that replace the scripts' own, one per script.
        on_episode: called after each episode.
    """
    saved = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(folder)})})
    wordings = list(questions) if questions is not None else [None] * len(scripts)
    tasks = [RolloutTask(script, 0, question) for script, question in zip(scripts, wordings, strict=True)]
    running = run_policy(
        saved, tasks, perception, temperature=0.0, live_graphs=live_graphs, on_episode=lambda _: on_episode()
    )
    return [_scored(episode.script, episode.trajectory) for episode in asyncio.run(running)]


def evaluate_offline(settings: Settings, scripts: Sequence[Script]) -> list[ScoredQuestion]:
    """Run the offline master on scripts, in the same simulator."""

    async def answers() -> list[ScoredQuestion]:
        master = create_cvr_graph(OfflineMaster(), simulator_of(scripts, settings)).compile()
        inputs = [(script, as_input(script.as_question())) for script in scripts]
        return [_scored(script, await ask(master, given, settings.context)) for script, given in inputs]

    return asyncio.run(answers())


def _scored(script: Script, trajectory: Trajectory) -> ScoredQuestion:
    return ScoredQuestion(
        script=script.id,
        task=script.task,
        score=score_of(trajectory.answer, script.key),
        turns=len(trajectory.turns),
        frames=trajectory.usage.frames,
        audio_s=trajectory.usage.audio_s,
    )
