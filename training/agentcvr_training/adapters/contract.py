"""What an adapter to another training engine has to do: ids in, ids and log probabilities out, rows to train on.

An engine that samples from token ids gives one function, `SampleTokens`: it takes the exact ids of a prompt and returns
the sampled ids with their log probabilities. `EpisodeSource.run` runs the compiled graph for one script over that
function and returns the rows of the ledger: what was sampled, as it was sampled, with the environment's tokens masked,
one row unless the episode forked. Everything else (batches, groups, advantages, weights) is the engine's.

    sample(Call(prompt_ids, session, sampling, seed)) -> Sampled(ids, logprobs)
    EpisodeSource.load(CONFIG).run(script, sample) -> AdaptedEpisode(rows, reward, rewards, turns)

A failure of the infrastructure is raised, not scored: the engine has to drop or repeat the episode.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from agentcvr_graph.errors import CVRError, InfrastructureError, InputError, SetupError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.scripts.schema import Script
from agentcvr_training.config.loading import load_format
from agentcvr_training.config.settings import Settings, load_settings
from agentcvr_training.inference.base import Call, Sampled, Sampling
from agentcvr_training.inference.factory import training_sampling
from agentcvr_training.measures.evaluation import simulator_of
from agentcvr_training.rewards import total_reward
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import GraphFactory, RolloutRunner, RolloutTask
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.rollout.policy import PolicyChatModel

SampleTokens = Callable[[Call], Awaitable[Sampled]]
"""Samples one turn from the ids of its prompt."""


class FunctionEngine:
    """An engine over a function that samples; batching is left to whoever serves it."""

    def __init__(self, sample: SampleTokens) -> None:
        self._sample = sample

    async def sample(self, call: Call) -> Sampled:
        """Return the sampled turn.

        Raises:
            InfrastructureError: the function raised an exception.
            SetupError: what it returned cannot be a turn, so it would be trained on wrongly.
        """
        try:
            sampled = await self._sample(call)
        except CVRError:
            raise
        except Exception as error:
            raise as_infrastructure_error(error, "`sample`") from error
        if fault := _fault_of(sampled, call.sampling.max_new_tokens):
            raise SetupError(f"`sample` returned {fault}.", fix="Return what the engine sampled for this call.")
        return sampled

    def release(self, session: str) -> None:
        """Keep nothing: prefixes are cached by the server."""

    def __enter__(self) -> FunctionEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _fault_of(sampled: Sampled, longest: int) -> str:
    """Return what is wrong with a sampled turn; empty if nothing is. The size of the vocabulary is the engine's."""
    ids, logprobs = sampled.ids, sampled.logprobs
    if len(ids) != len(logprobs):
        return f"{len(ids)} tokens with {len(logprobs)} log probabilities"
    if len(ids) > longest:
        return f"{len(ids)} tokens, where `call.sampling.max_new_tokens` allows {longest}"
    if min(ids, default=0) < 0:
        return f"the token id {min(ids)}"
    return next((f"the log probability {one}" for one in logprobs if not math.isfinite(one)), "")


@dataclass(frozen=True)
class AdaptedEpisode:
    """One graph run, ready for a trainer."""

    rows: Sequence[Row]
    """In the order in which they were sampled; each has at least one sampled token."""
    reward: float
    """Weighted sum of the rewards."""
    rewards: dict[str, float]
    """Each reward before weighting."""
    turns: int


@dataclass(frozen=True)
class EpisodeSource:
    """Runs graph episodes for another engine, with the settings of a training configuration.

    Args:
        form: the chat template, with the engine's own tokenizer.
        make_graph: compiles the graph from a policy and a perception, such as a parent that has ours as a subgraph.
    """

    settings: Settings
    form: ChatFormat
    make_graph: GraphFactory = create_cvr_graph

    @classmethod
    def load(cls, config: Path, overrides: dict[str, Any] | None = None) -> EpisodeSource:
        """Read a training configuration; only the tokenizer of its model is loaded.

        Raises:
            InputError: the configuration is missing or invalid.
            SetupError: there is no such model.
        """
        settings = load_settings(config, overrides)
        return cls(settings, load_format(settings.model))

    async def run(
        self,
        script: Script,
        sample: SampleTokens,
        *,
        seed: int = 0,
        group: object = 0,
        sampling: Sampling | None = None,
        max_length: int | None = None,
    ) -> AdaptedEpisode:
        """Run the graph once about a script.

        Args:
            seed: the seed of every turn is derived from it.
            group: episodes of one script and group have the same budget, because they are compared with each other.
            sampling: replaces that of the configuration.
            max_length: longest conversation in tokens; None for that of the configuration.

        Raises:
            InputError: no token was sampled, such as for a prompt that is as long as the longest conversation.
            InfrastructureError: a part that the policy did not cause failed, so there is nothing to learn.
            SetupError: `sample` returned what cannot be a turn.
        """
        options = self.settings.rollout
        policy = PolicyChatModel(
            engine=FunctionEngine(sample),
            form=self.form,
            sampling=sampling or training_sampling(options),
            max_length=max_length or options.max_length,
        )
        task = RolloutTask.drawn(script, seed, options.budget_shares, self.settings.seed, group)
        runner = RolloutRunner(
            policy,
            simulator_of([script], self.settings),
            self.settings.context,
            tools=self.settings.load_tools(),
            make_graph=self.make_graph,
        )
        episode = await runner.run_one(runner.graph(), task)
        if episode.reward is None:
            raise InfrastructureError(episode.failure)
        rows, weights = [row for row in episode.rows if row.sampled], self.settings.reward.resolve()
        if not rows:
            raise InputError(
                f"No turn of {script.id} was sampled: its prompt fills max_length={policy.max_length}, or `sample` "
                "returned no token.",
                fix="Raise `max_length`, or return the sampled ids.",
            )
        return AdaptedEpisode(
            rows,
            total_reward(episode.reward, weights),
            dict(episode.reward),
            len(episode.trajectory.turns),
        )
