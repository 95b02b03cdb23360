"""A policy that lies in a folder plays scripts: what a rollout does, without a trainer."""

# torch and transformers leave their models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from agentcvr_graph.perception.base import Perception
from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Settings
from agentcvr_training.inference.base import Sampling
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, Task
from agentcvr_training.rollout.policy import PolicyChatModel


async def play(
    settings: Settings,
    tasks: Sequence[Task],
    perception: Perception,
    *,
    temperature: float | None = None,
    live_graphs: int = 64,
    done: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Run every task with the model of the settings; episodes in the order of the tasks.

    Args:
        temperature: that of the settings' rollouts for None; 0 takes the likeliest token.
        done: told of each episode as it ends.

    Raises:
        SetupError: there is no such model.
    """
    form, knobs = load_format(settings.model), settings.rollout
    model = load_model(settings.model).eval().to(_device(settings))
    chosen = knobs.temperature if temperature is None else temperature
    with torch.no_grad(), CachedEngine(model, form.stop_ids, slots=live_graphs, max_length=knobs.max_length) as engine:
        sampling = Sampling(temperature=chosen, top_p=knobs.top_p, max_new_tokens=knobs.max_new_tokens)
        policy = PolicyChatModel(engine=engine, form=form, sampling=sampling, max_length=knobs.max_length)
        return await RolloutRunner(policy, perception, settings.context, live_graphs).play(tasks, done)


def _device(settings: Settings) -> torch.device:
    """Where the trainer has the model."""
    found = None if settings.grpo.trainer.get("use_cpu") else torch.accelerator.current_accelerator()
    return found or torch.device("cpu")
