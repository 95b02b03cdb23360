"""How well a policy answers: scripted, with its tools cut off, and live on real video. Every question counts.

All three are runs of the same graph over the same questions, greedy, so that two figures differ by what they are named
for and not by luck.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel

from agentcvr_graph.asking import ask
from agentcvr_graph.graph import create_cvr_graph
from agentcvr_graph.models.offline_master import OfflineMaster
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.state import as_input
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Question
from training.engine.base import Sampling
from training.engine.cached import CachedEngine
from training.episodes import Stage, Task
from training.loading import load_format, load_model
from training.policy import PolicyChatModel
from training.rewards import answer_score
from training.settings import Settings


class Asked(BaseModel):
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
) -> list[Asked]:
    """Let the policy in a folder answer scripts.

    Args:
        questions: what to ask in place of the scripts' own, one each: over the files of their twins.
        done: told after each.
    """
    saved = settings.model.model_copy(update={"path": str(folder)})
    form, knobs = load_format(saved), settings.rollout
    asked = list(questions) if questions is not None else [None] * len(scripts)
    tasks = [Task(script, 0, question) for script, question in zip(scripts, asked, strict=True)]
    model = load_model(saved).eval().to(_device(settings))
    with torch.no_grad(), CachedEngine(model, form.stop_ids, slots=live_graphs, max_length=knobs.max_length) as engine:
        sampling = Sampling(temperature=0.0, max_new_tokens=knobs.max_new_tokens)
        policy = PolicyChatModel(engine=engine, form=form, sampling=sampling, max_length=knobs.max_length)
        stage = Stage(policy, perception, settings.context, live_graphs)
        episodes = asyncio.run(stage.play(tasks, lambda _: done()))
    return [_asked(episode.script, episode.trajectory) for episode in episodes]


def _device(settings: Settings) -> torch.device:
    """Where the trainer has the model."""
    found = None if settings.grpo.trainer.get("use_cpu") else torch.accelerator.current_accelerator()
    return found or torch.device("cpu")


def ask_offline(settings: Settings, scripts: Sequence[Script]) -> list[Asked]:
    """Let the offline master answer scripts, in the same simulator."""

    async def answers() -> list[Asked]:
        master = create_cvr_graph(OfflineMaster(), simulator(scripts, settings)).compile()
        inputs = [(script, as_input(script.as_question())) for script in scripts]
        return [_asked(script, await ask(master, given, settings.context)) for script, given in inputs]

    return asyncio.run(answers())


def _asked(script: Script, trajectory: Trajectory) -> Asked:
    return Asked(
        script=script.id,
        task=script.task,
        score=answer_score(trajectory, script),
        turns=len(trajectory.turns),
        frames=trajectory.usage.frames,
        audio_s=trajectory.usage.audio_s,
    )
