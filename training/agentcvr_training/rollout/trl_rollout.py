"""The seam to TRL: the only module that knows how `GRPOTrainer` asks for rollouts and pays for them.

TRL calls `rollout_func(prompts, trainer)` with the prompts of one process's share of a batch, each repeated once for
every generation of its group, and without any other column. So a prompt here is the id of a script. What comes back are
parallel lists, one entry a prompt: `prompt_ids`, `completion_ids`, `logprobs`, `env_mask` (1: the policy's token), and
fields of our own, which TRL hands on to the reward functions by name. Here that is one field, `episode`.

`tests/training/test_trl_contract.py` pins all of this, so that a release of TRL that changes it is found by a test.
"""

# TRL and accelerate leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

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
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_training.inference.base import Engine, Sampling
from agentcvr_training.rewards import REWARDS
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, Task
from agentcvr_training.rollout.ledger import Drift, Row
from agentcvr_training.rollout.policy import PolicyChatModel, seed_of

OpenEngine = Callable[[Any], AbstractContextManager[Engine]]
"""Opens an engine over a trainer, for one batch of rollouts."""
Listener = Callable[[Sequence[Episode], bool, Any], None]
"""Is given the episodes of a batch, whether it was for training, and the trainer. Called in every process."""


@dataclass
class GraphRollout:
    """A `rollout_func`: every prompt becomes a run of the graph.

    Args:
        scripts: by id, those that prompts name.
        open_engine: gives the engine that samples with the trainer's present weights.
        sampling: how turns are drawn in training.
        held_out: how they are drawn for held-out scripts; None for the same way.
        train_on: nodes whose tokens carry loss; all for None.
        told: is given the episodes of each batch, and whether it was for training.
    """

    scripts: Mapping[str, Script]
    perception: Perception
    form: ChatFormat
    context: CVRContext
    sampling: Sampling
    open_engine: OpenEngine
    max_length: int
    live_graphs: int = 64
    held_out: Sampling | None = None
    train_on: Sequence[str] | None = None
    seed: int = 0
    told: Listener | None = None
    tools: Iterable[AnyTool] = TOOLS
    drifts: Counter[Drift] = field(default_factory=Counter[Drift])
    left_out: int = 0
    """Sampled tokens that drift put into rows which TRL has no place for."""

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, list[Any]]:
        """Play a batch, as rows.

        Raises:
            InputError: `train_on` names no node at which a token was sampled.
        """
        return self.columns(self.play(prompts, trainer))

    def play(self, prompts: Sequence[str], trainer: Any) -> list[Episode]:
        """One episode a prompt, in their order; for training where the trainer's model is in training mode.

        Raises:
            InfrastructureError: the world failed in all of them, so there is nothing to learn from.
        """
        training = bool(trainer.model.training)
        sampling = self.sampling if training else self.held_out or self.sampling
        tasks = self._training(prompts, trainer) if training else self._held_out(prompts)
        with _at_rest(trainer.model), self.open_engine(trainer) as engine:
            policy = PolicyChatModel(engine=engine, form=self.form, sampling=sampling, max_length=self.max_length)
            episodes = _finished(
                RolloutRunner(policy, self.perception, self.context, self.live_graphs, self.tools).play(tasks)
            )
        if episodes and all(episode.reward is None for episode in episodes):
            raise InfrastructureError(f"Every episode of a batch failed: {_failure(episodes[0])}")
        for episode in episodes:
            self.drifts += episode.recording.drifts
        if self.told is not None:
            self.told(episodes, training, trainer)
        return episodes

    def columns(self, episodes: Sequence[Episode]) -> dict[str, list[Any]]:
        """The lists that TRL wants. An episode that drifted gives the row in which it sampled most.

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
        rows = episode.rows
        best = max(rows, key=lambda row: row.sampled, default=None)
        self.left_out += sum(row.sampled for row in rows) - (best.sampled if best else 0)
        if best is not None and best.completion_ids:
            return best
        # TRL has no empty row; one token that nothing is learned from stands for it.
        end = self.form.end_of_turn[0]
        empty = Row(best.prompt_ids if best else [end])
        empty.add_environment([end])
        return empty

    def _training(self, prompts: Sequence[str], trainer: Any) -> list[Task]:
        """Seeds follow from step, script and place in the whole batch, so the number of processes changes none."""
        first = trainer.accelerator.process_index * len(prompts)
        step = trainer.state.global_step
        return [
            Task(self.scripts[prompt], seed_of(self.seed, step, prompt, first + n)) for n, prompt in enumerate(prompts)
        ]

    def _held_out(self, prompts: Sequence[str]) -> list[Task]:
        """Seeds follow from the script, and how often it came before: the same at every evaluation."""
        asked = Counter[str]()
        tasks: list[Task] = []
        for prompt in prompts:
            tasks.append(Task(self.scripts[prompt], seed_of(self.seed, "held out", prompt, asked[prompt])))
            asked[prompt] += 1
        return tasks


def _finished(playing: Coroutine[Any, Any, list[Episode]]) -> list[Episode]:
    """What a coroutine gives; in a thread of its own where a loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(playing)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, playing).result()


def _failure(episode: Episode) -> str:
    failure = episode.trajectory.failure
    return failure.message if failure else "the world did not carry out a right action"


@contextmanager
def _at_rest(model: Any) -> Generator[None]:
    """The model as it samples: no dropout, no gradients; afterwards as it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


RewardColumn = Callable[..., list[float | None]]
"""A reward function as TRL calls it: with the extra fields of a batch by name, one value a row."""


def reward_functions(weights: Mapping[str, float]) -> tuple[list[Any], list[float]]:
    """Return one function for each registered reward, so that TRL logs each, and their weights.

    A function returns None for an episode that the infrastructure ended.
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
    """Log what describes a batch beside its rewards."""
    for episode in episodes:
        log_metric("turns", float(len(episode.trajectory.turns)))
        log_metric("frames", float(episode.trajectory.usage.frames))
        log_metric("audio_s", episode.trajectory.usage.audio_s)
        log_metric("infrastructure_failures", float(episode.reward is None))
        log_metric("forks", float(episode.recording.drifts[Drift.FORK]))
