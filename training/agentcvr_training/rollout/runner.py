"""Run the graph with a policy that is loaded from a folder: a rollout without a trainer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.perception.base import Perception
from agentcvr_training.config.loading import load_format, load_model
from agentcvr_training.config.settings import Settings
from agentcvr_training.inference.cached import CachedEngine
from agentcvr_training.inference.factory import held_out_sampling, training_sampling
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel


async def run_policy(
    settings: Settings,
    tasks: Sequence[RolloutTask],
    perception: Perception,
    *,
    temperature: float | None = None,
    live_graphs: int = 64,
    on_episode: Callable[[Episode], None] | None = None,
    make_policy: Callable[..., PolicyChatModel] = PolicyChatModel,
    context: CVRContext | None = None,
) -> list[Episode]:
    """Run every task with the model of the settings; return the episodes in the order of the tasks.

    Args:
        make_policy: makes the chat model over the engine, such as one whose looks come from a plan.
        context: replaces the graph's settings of the configuration.
        temperature: None to sample as in training; otherwise as at evaluation, at this one. 0 takes the most likely
            token.
        on_episode: called with each episode when it ends.

    Raises:
        SetupError: there is no such model.
    """
    with opened_policy(settings, temperature=temperature, slots=live_graphs, make_policy=make_policy) as policy:
        runner = RolloutRunner(policy, perception, context or settings.context, live_graphs, settings.load_tools())
        return await runner.run(tasks, on_episode)


@contextmanager
def opened_policy(
    settings: Settings,
    *,
    temperature: float | None = None,
    slots: int = 64,
    make_policy: Callable[..., PolicyChatModel] = PolicyChatModel,
) -> Generator[PolicyChatModel]:
    """Load the model of the settings and yield it as a chat model, for the length of a `with` block.

    Args:
        temperature: None to sample as in training; otherwise as at evaluation, at this one.
        slots: conversations whose keys and values are kept at the same time.
        make_policy: makes the chat model over the engine.

    Raises:
        SetupError: there is no such model.
    """
    form, options = load_format(settings.model), settings.rollout
    model = load_model(settings.model).eval().to(_device(settings))
    sampling = training_sampling(options) if temperature is None else held_out_sampling(options, temperature)
    with (
        torch.no_grad(),
        CachedEngine(model, form.stop_ids, slots=slots, max_length=options.max_length) as engine,
    ):
        yield make_policy(engine=engine, form=form, sampling=sampling, max_length=options.max_length)


def _device(settings: Settings) -> torch.device:
    """Return the device on which the trainer would hold the model."""
    found = None if settings.grpo.trainer.get("use_cpu") else torch.accelerator.current_accelerator()
    return found or torch.device("cpu")
