"""Run a master over scripts at several budgets, and keep of each question what the measures need.

A policy from a folder, a plan whose answers are that policy's, and any chat model (the offline master) run in the same
graph over the same questions, greedily, so two results differ by the master alone.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory
from agentcvr_training.baselines.planned_policy import PlannedPolicy, planned_context
from agentcvr_training.baselines.plans import SCHEDULES, Plan, Schedule
from agentcvr_training.config.settings import Settings
from agentcvr_training.measures.accepted import accepted
from agentcvr_training.measures.curve import SHARES
from agentcvr_training.measures.looks import Look, hit_rate, looks_of
from agentcvr_training.rewards import format_score
from agentcvr_training.rollout.episodes import Episode, RolloutTask
from agentcvr_training.rollout.runner import run_policy


class MeasuredQuestion(BaseModel):
    """What a master did with one question at one budget."""

    script: str
    task: str
    share: float
    """The budget, as a share of the full cost."""
    score: float
    hit_rate: float
    turns: int
    frames: int
    audio_s: float
    looks: list[Look]
    valid: float = 0.0
    """Share of valid actions, as the reward `format` counts them."""
    calls: int = 0
    """Calls, and turns without one; 0 if they were not counted."""
    accepted: int = 0
    """Calls that the graph carried out or recorded."""


def simulator_of(scripts: Iterable[Script], settings: Settings) -> Perception:
    """Return the simulator over scripts, with the noise of a configuration."""
    return ScriptedPerception(ScriptLibrary.of(scripts), settings.rollout.noise)


def measure_policy(
    folder: Path,
    settings: Settings,
    scripts: Sequence[Script],
    shares: Sequence[float] = SHARES,
    *,
    plan: Plan | None = None,
    perception: Perception | None = None,
    on_question: Callable[[], None] = lambda: None,
) -> list[MeasuredQuestion]:
    """Run the policy in a folder, greedily, on every script at every share.

    Args:
        plan: where to look; None if the policy decides.
        perception: replaces the simulator over the scripts, as a blind baseline does.
        on_question: called after each question.
    """

    def ended(_: Episode) -> None:
        on_question()

    saved = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(folder)})})
    tasks = [RolloutTask(script, 0, budget_share=share) for share in shares for script in scripts]
    world = perception or simulator_of(scripts, settings)
    run = functools.partial(
        run_policy,
        saved,
        tasks,
        world,
        temperature=0.0,
        live_graphs=settings.rollout.live_graphs,
        on_episode=ended,
    )
    if plan is None:
        running = run()
    else:
        make, context = functools.partial(PlannedPolicy, plan=plan), planned_context(settings.context)
        running = run(make_policy=make, context=context)
    return [
        measured(episode.script, episode.trajectory, episode.budget_share or 1.0) for episode in asyncio.run(running)
    ]


def measure_master(
    master: BaseChatModel, settings: Settings, scripts: Sequence[Script], shares: Sequence[float] = SHARES
) -> list[MeasuredQuestion]:
    """Run a chat model on every script at every share, in the simulator."""

    async def run() -> list[MeasuredQuestion]:
        graph = create_cvr_graph(master, simulator_of(scripts, settings)).compile()
        found: list[MeasuredQuestion] = []
        for share in shares:
            for script in scripts:
                context = RolloutTask(script, 0, budget_share=share).settings(settings.context)
                found.append(measured(script, await ask(graph, as_input(script.as_question()), context), share))
        return found

    return asyncio.run(run())


def measured(script: Script, trajectory: Trajectory, share: float) -> MeasuredQuestion:
    """Return what the measures need of a trajectory."""
    calls = accepted([trajectory])
    return MeasuredQuestion(
        script=script.id,
        task=script.task,
        share=share,
        score=score_of(trajectory.answer, script.key),
        hit_rate=hit_rate(script, trajectory),
        turns=len(trajectory.turns),
        frames=trajectory.usage.frames,
        audio_s=trajectory.usage.audio_s,
        looks=looks_of(trajectory),
        valid=format_score(trajectory, script, CVRContext()),
        calls=calls.total(),
        accepted=calls[True],
    )


def best_schedules(
    folder: Path,
    settings: Settings,
    scripts: Sequence[Script],
    shares: Sequence[float] = SHARES,
    *,
    on_schedule: Callable[[], None] = lambda: None,
) -> dict[tuple[str, float], Schedule]:
    """Return the fixed schedule that scores best for each task and share, read by the policy in a folder.

    Args:
        scripts: training scripts; the questions that masters are compared on must not choose their baseline.
        on_schedule: called after each of the 50 schedules.
    """
    totals: dict[tuple[str, float], dict[Schedule, float]] = {}
    for schedule in SCHEDULES:
        for one in measure_policy(folder, settings, scripts, shares, plan=schedule):
            scores = totals.setdefault((one.task, one.share), {})
            scores[schedule] = scores.get(schedule, 0.0) + one.score
        on_schedule()
    return {group: max(scores, key=lambda schedule: scores[schedule]) for group, scores in totals.items()}


def measure_best_schedules(
    folder: Path, settings: Settings, scripts: Sequence[Script], chosen: dict[tuple[str, float], Schedule]
) -> list[MeasuredQuestion]:
    """Run every script at every share with the schedule that was chosen for its task and that share."""
    found: list[MeasuredQuestion] = []
    for (task, share), schedule in chosen.items():
        own = [script for script in scripts if script.task == task]
        found += measure_policy(folder, settings, own, (share,), plan=schedule)
    order = {script.id: n for n, script in enumerate(scripts)}
    return sorted(found, key=lambda one: (one.share, order[one.script]))
