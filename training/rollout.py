"""The seam to TRL: the only module that knows how `GRPOTrainer` asks for rollouts and pays for them.

TRL calls `rollout_func(prompts, trainer)` with the prompts of one process's share of a batch, each repeated once for
every generation of its group, and without any other column. So a prompt here is the id of a script. What comes back are
parallel lists, one entry a prompt: `prompt_ids`, `completion_ids`, `logprobs`, `env_mask` (1: the policy's token), and
fields of our own, which TRL hands on to the reward functions by name. Here that is one field, `episode`.

`tests/test_trl_contract.py` pins all of this, so that a release of TRL that changes it is found by a test.
"""

# TRL and accelerate leave their trainers open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.state import CVRContext
from training.chat_format import ChatFormat
from training.engine.base import Engine, Sampling
from training.episodes import Episode, Stage, Task
from training.policy import PolicyChatModel, seed_of
from training.rewards import Weights
from training.tokens import Drift, Row

OpenEngine = Callable[[Any], AbstractContextManager[Engine]]
"""Opens an engine over a trainer, for one batch of rollouts."""
PARTS = ("answer", "format", "grounding", "economy")


@dataclass
class GraphRollout:
    """A `rollout_func`: every prompt becomes a run of the graph.

    Args:
        scripts: by id, those that prompts name.
        open_engine: gives the engine that samples with the trainer's present weights.
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
    train_on: Sequence[str] | None = None
    seed: int = 0
    told: Callable[[Sequence[Episode], bool, Any], None] | None = None
    drifts: Counter[Drift] = field(default_factory=Counter[Drift])
    left_out: int = 0
    """Sampled tokens that drift put into rows which TRL has no place for."""

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, list[Any]]:
        """Play a batch."""
        training = bool(trainer.model.training)
        with _at_rest(trainer.model), self.open_engine(trainer) as engine:
            policy = PolicyChatModel(engine=engine, form=self.form, sampling=self.sampling, max_length=self.max_length)
            stage = Stage(policy, self.perception, self.context, self.live_graphs)
            episodes = asyncio.run(stage.play(self._tasks(prompts, trainer, training)))
        for episode in episodes:
            self.drifts += episode.recording.drifts
        if self.told is not None:
            self.told(episodes, training, trainer)
        return self.columns(episodes)

    def columns(self, episodes: Sequence[Episode]) -> dict[str, list[Any]]:
        """The lists that TRL wants. An episode that drifted gives the row in which it sampled most."""
        rows = [self._row(episode) for episode in episodes]
        return {
            "prompt_ids": [row.prompt_ids for row in rows],
            "completion_ids": [row.completion_ids for row in rows],
            "logprobs": [row.logprobs for row in rows],
            "env_mask": [row.trained_on(self.train_on) for row in rows],
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
        empty.add_world([end])
        return empty

    def _tasks(self, prompts: Sequence[str], trainer: Any, training: bool) -> list[Task]:
        # The place in the whole batch, so that the number of processes changes no seed.
        first = trainer.accelerator.process_index * len(prompts)
        step = trainer.state.global_step if training else "held out"
        return [
            Task(self.scripts[prompt], seed_of(self.seed, step, prompt, first + n)) for n, prompt in enumerate(prompts)
        ]


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


def reward_functions(weights: Weights) -> tuple[list[Any], list[float]]:
    """One function a part, so that TRL logs each, and their weights. None for an episode in which the world failed."""
    return [_part(name) for name in PARTS], [getattr(weights, name) for name in PARTS]


def _part(name: str) -> Callable[..., list[float | None]]:
    def reward(episode: Sequence[Episode], log_metric: Callable[[str, float], None], **_: Any) -> list[float | None]:
        if name == PARTS[0]:
            _log(episode, log_metric)
        return [getattr(one.reward, name) if one.reward else None for one in episode]

    reward.__name__ = name
    return reward


def _log(episodes: Sequence[Episode], log_metric: Callable[[str, float], None]) -> None:
    """What a batch of episodes was like, beside its rewards."""
    for episode in episodes:
        log_metric("turns", float(len(episode.trajectory.turns)))
        log_metric("frames", float(episode.trajectory.usage.frames))
        log_metric("audio_s", episode.trajectory.usage.audio_s)
        log_metric("world_failures", float(episode.reward is None))
        log_metric("forks", float(episode.recording.drifts[Drift.FORK]))
