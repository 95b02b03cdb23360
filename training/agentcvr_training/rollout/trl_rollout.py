"""The interface to TRL: the only module that knows how `GRPOTrainer` requests rollouts and rewards.

TRL calls `rollout_func(prompts, trainer)` with the prompts of one process's share of a batch, each repeated once for
every generation of its group, and without any other column. So a prompt here is the id of a script. The function
returns parallel lists, one entry per prompt: `prompt_ids`, `completion_ids`, `logprobs`, `env_mask` (1: the policy's
token), and further fields, which TRL passes to the reward functions by name. Here that is one field, `episode`.

`tests/training/test_trl_contract.py` pins this contract, so a test fails if a release of TRL changes it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from agentcvr_graph.errors import InfrastructureError, InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.budgets import drawn_share
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_training.inference.base import Engine, Sampling
from agentcvr_training.rewards import REWARDS
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, RolloutTask, trained_row
from agentcvr_training.rollout.ledger import Drift, Row
from agentcvr_training.rollout.policy import PolicyChatModel, seed_of

EngineFactory = Callable[[Any], AbstractContextManager[Engine]]
"""Makes an engine over a trainer, for one batch of rollouts."""
BatchCallback = Callable[[Sequence[Episode], bool, Any], None]
"""Called in every process with the episodes of a batch, whether it was for training, and the trainer."""


@dataclass
class GraphRollout:
    """A `rollout_func` that runs the graph for every prompt.

    Args:
        scripts: the scripts that prompts name, by id.
        engine_factory: makes the engine that samples with the trainer's current weights.
        sampling: how turns are sampled in training.
        held_out: how turns are sampled for held-out scripts; None for `sampling`.
        train_on: nodes whose tokens carry loss; None for all.
        on_batch: callbacks for the episodes of each batch.
    """

    scripts: Mapping[str, Script]
    perception: Perception
    form: ChatFormat
    context: CVRContext
    sampling: Sampling
    engine_factory: EngineFactory
    max_length: int
    live_graphs: int = 64
    held_out: Sampling | None = None
    train_on: Sequence[str] | None = None
    seed: int = 0
    on_batch: Sequence[BatchCallback] = ()
    tools: Iterable[AnyTool] = TOOLS
    budget_shares: tuple[float, float] | None = None
    """Least and greatest share of the full cost that an episode is given; None for the budgets of the settings."""
    drifts: Counter[Drift] = field(default_factory=Counter[Drift])

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, list[Any]]:
        """Run a batch and return its columns.

        Raises:
            InputError: `train_on` names no node at which a token was sampled.
        """
        return self.columns(self.run(prompts, trainer))

    def run(self, prompts: Sequence[str], trainer: Any) -> list[Episode]:
        """Run one episode for each prompt, in order. The batch is for training if the model is in training mode.

        Raises:
            InfrastructureError: all episodes failed, so there is nothing to learn from.
        """
        training = bool(trainer.model.training)
        sampling = self.sampling if training else self.held_out or self.sampling
        tasks = self._training_tasks(prompts, trainer) if training else self._held_out_tasks(prompts)
        with _evaluation_mode(trainer.model), self.engine_factory(trainer) as engine:
            policy = PolicyChatModel(engine=engine, form=self.form, sampling=sampling, max_length=self.max_length)
            episodes = _finished(
                RolloutRunner(policy, self.perception, self.context, self.live_graphs, self.tools).run(tasks)
            )
        if episodes and all(episode.reward is None for episode in episodes):
            raise InfrastructureError(f"Every episode of a batch failed: {episodes[0].failure}")
        for episode in episodes:
            self.drifts += episode.recording.drifts
        for callback in self.on_batch:
            callback(episodes, training, trainer)
        return episodes

    def columns(self, episodes: Sequence[Episode]) -> dict[str, list[Any]]:
        """Return the lists that TRL expects; of an episode with several rows, take the one with most sampled tokens.

        Raises:
            InputError: `train_on` names no node at which a token was sampled.
        """
        rows = [self._row(episode) for episode in episodes]
        masks = [row.trained_on(self.train_on) for row in rows]
        if self.train_on is not None and not any(map(any, masks)) and any(row.sampled for row in rows):
            nodes = sorted({node for row in rows for node in row.nodes if node})
            raise InputError(
                f"rollout.train_on: nothing was sampled at {', '.join(self.train_on) or 'no node'}.",
                fix=f"The policy is asked at: {', '.join(nodes)}.",
            )
        return {
            "prompt_ids": [row.prompt_ids for row in rows],
            "completion_ids": [row.completion_ids for row in rows],
            "logprobs": [row.logprobs for row in rows],
            "env_mask": masks,
            "episode": list(episodes),
        }

    def _row(self, episode: Episode) -> Row:
        best = trained_row(episode.rows)
        if best is not None and best.completion_ids:
            return best
        # TRL does not accept an empty row, so return a single token without loss.
        end = self.form.end_of_turn[0]
        empty = Row(best.prompt_ids if best else [end])
        empty.add_environment([end])
        return empty

    def _training_tasks(self, prompts: Sequence[str], trainer: Any) -> list[RolloutTask]:
        """Derive seeds from step, script and index in the global batch: the same for any number of processes.

        All generations of a group have the same budget, because they are compared with each other.
        """
        first = trainer.accelerator.process_index * len(prompts)
        step = trainer.state.global_step
        return [
            self._task(prompt, seed_of(self.seed, step, prompt, first + n), seed_of(self.seed, step, prompt))
            for n, prompt in enumerate(prompts)
        ]

    def _held_out_tasks(self, prompts: Sequence[str]) -> list[RolloutTask]:
        """Derive seeds from the script and its repetition, so that every evaluation has the same."""
        seen = Counter[str]()
        tasks: list[RolloutTask] = []
        for prompt in prompts:
            seed = seed_of(self.seed, "held out", prompt, seen[prompt])
            tasks.append(self._task(prompt, seed, seed))
            seen[prompt] += 1
        return tasks

    def _task(self, prompt: str, seed: int, budget_seed: int) -> RolloutTask:
        share = None if self.budget_shares is None else drawn_share(self.budget_shares, budget_seed)
        return RolloutTask(self.scripts[prompt], seed, budget_share=share)


def _finished(running: Coroutine[Any, Any, list[Episode]]) -> list[Episode]:
    """Run a coroutine to completion; use another thread if an event loop is already running, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(running)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, running).result()


@contextmanager
def _evaluation_mode(model: Any) -> Generator[None]:
    """Run the block without dropout and gradients, then restore the model's mode."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


RewardColumn = Callable[..., list[float | None]]
"""A reward function as TRL calls it: gets the extra fields of a batch by name, and returns one value per row."""


def reward_functions(weights: Mapping[str, float]) -> tuple[list[Any], list[float]]:
    """Return one function for each registered reward, so that TRL logs each, and their weights.

    A function returns None for an episode whose infrastructure failed.
    """
    return [_reward_function(name, log=n == 0) for n, name in enumerate(REWARDS)], [weights[name] for name in REWARDS]


def _reward_function(name: str, *, log: bool) -> RewardColumn:
    def reward(episode: Sequence[Episode], log_metric: Callable[[str, float], None], **_: Any) -> list[float | None]:
        if log:
            _log_batch(episode, log_metric)
        return [one.reward[name] if one.reward else None for one in episode]

    reward.__name__ = name
    return reward


def _log_batch(episodes: Sequence[Episode], log_metric: Callable[[str, float], None]) -> None:
    """Log the metrics of a batch other than its rewards.

    `left_out` is the share of sampled tokens that are not trained on, because TRL takes one row an episode.
    """
    sampled = sum(episode.sampled for episode in episodes)
    log_metric("left_out", sum(episode.left_out for episode in episodes) / max(1, sampled))
    for episode in episodes:
        log_metric("turns", float(len(episode.trajectory.turns)))
        log_metric("frames", float(episode.trajectory.usage.frames))
        log_metric("audio_s", episode.trajectory.usage.audio_s)
        log_metric("infrastructure_failures", float(episode.reward is None))
        log_metric("forks", float(episode.recording.drifts[Drift.FORK]))
