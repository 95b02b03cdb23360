"""Episodes: run the compiled graph once for every script of a batch and record what the policy samples.

A bounded number of graphs is in flight, and the next one starts when one ends, so the engine always has turns to batch.
The graph is the one that users run; its loop is not reimplemented here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from agentcvr_graph.graph.builder import create_cvr_graph, recursion_limit
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.budgets import drawn_share, full_cost
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Question
from agentcvr_training.rewards import infrastructure_failure, reward_of
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.rollout.policy import PolicyChatModel, Recording, recording, seed_of

GraphFactory = Callable[..., Any]
"""Makes a graph from a policy, a perception and `tools`; called like `create_cvr_graph`, which is the default. A parent
graph that has ours as a subgraph takes its input and returns its output."""


@dataclass(frozen=True)
class RolloutTask:
    """One episode to run."""

    script: Script
    seed: int
    question: Question | None = None
    """The input of the graph, such as a question over rendered video; None for the script's own question."""
    budget_share: float | None = None
    """Budgets as a share of what it costs to look at and hear everything; None for those of the settings."""

    @classmethod
    def drawn(cls, script: Script, seed: int, shares: tuple[float, float] | None, *parts: object) -> RolloutTask:
        """Return a task whose share of the budgets is drawn from the given parts and the script alone."""
        share = None if shares is None else drawn_share(shares, seed_of(*parts, script.id))
        return cls(script, seed, budget_share=share)

    def settings(self, context: CVRContext) -> CVRContext:
        """Return the settings of a run with this task's budgets."""
        if self.budget_share is None:
            return context
        return context.with_share_of(full_cost(self.script), self.budget_share)


class EpisodeSummary(TypedDict):
    """The result of an episode as plain data."""

    script: str
    task: str
    seed: int
    reward: dict[str, float] | None
    """By name, before weighting; None if the infrastructure failed."""
    turns: int
    frames: int
    audio_s: float
    sampled: int
    """Number of tokens that the policy sampled."""
    left_out: int
    """Those of them that are in no trained row; 0 unless a prompt departed from the record, or a subgraph held another
    conversation with the policy."""
    budget_share: float | None
    """Budgets as a share of the full cost; None if they were those of the settings."""
    failure: str
    """What failed in the infrastructure, on one line; empty for an episode that is scored."""


@dataclass(frozen=True)
class Episode:
    """A finished episode."""

    script: Script
    trajectory: Trajectory
    recording: Recording
    reward: dict[str, float] | None
    """By name, before weighting; None if the infrastructure failed."""
    budget_share: float | None = None

    @property
    def rows(self) -> list[Row]:
        """Return the rows of the ledgers: one, unless a prompt departed from the record (a FORK) or a subgraph held
        another conversation with the policy."""
        return [row for ledger in self.recording.ledgers for row in ledger.rows]

    @property
    def failure(self) -> str:
        """Return what failed in the infrastructure; empty for an episode that is scored."""
        return infrastructure_failure(self.trajectory)

    @property
    def left_out(self) -> int:
        """Return how many sampled tokens are not trained on."""
        trained = trained_row(self.rows)
        return self.sampled - (trained.sampled if trained else 0)

    @property
    def sampled(self) -> int:
        """Return how many tokens the policy sampled."""
        return sum(row.sampled for row in self.rows)

    @property
    def summary(self) -> EpisodeSummary:
        """Return the result as plain data."""
        usage = self.trajectory.usage
        return EpisodeSummary(
            script=self.script.id,
            task=self.script.task,
            seed=self.recording.seed,
            reward=self.reward,
            turns=len(self.trajectory.turns),
            frames=usage.frames,
            audio_s=usage.audio_s,
            sampled=self.sampled,
            left_out=self.left_out,
            budget_share=self.budget_share,
            failure=one_line(self.failure),
        )


def trained_row(rows: Sequence[Row]) -> Row | None:
    """Return the row of an episode that is trained on, because TRL takes one: that with most sampled tokens."""
    return max(rows, key=lambda row: row.sampled, default=None)


@dataclass(frozen=True)
class RolloutRunner:
    """Runs episodes with a policy, a perception and the settings of a run."""

    policy: PolicyChatModel
    perception: Perception
    context: CVRContext
    live_graphs: int = 64
    tools: Iterable[AnyTool] = TOOLS
    strict: bool = False
    """Raise an error at a FORK; tests set this."""
    make_graph: GraphFactory = create_cvr_graph
    """Makes the graph from policy, perception and `tools`."""

    def graph(self) -> Any:
        """Return the compiled graph, without a checkpointer, because an interrupted episode is run again."""
        return self.make_graph(self.policy, self.perception, tools=self.tools).compile()

    async def run(
        self, tasks: Sequence[RolloutTask], on_episode: Callable[[Episode], None] | None = None
    ) -> list[Episode]:
        """Run every task, at most `live_graphs` at a time; return the episodes in the order of the tasks.

        Args:
            on_episode: called with each episode when it ends.
        """
        graph, limit = self.graph(), asyncio.Semaphore(self.live_graphs)

        async def one(task: RolloutTask) -> Episode:
            async with limit:
                episode = await self.run_one(graph, task)
            if on_episode is not None:
                on_episode(episode)
            return episode

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(task)) for task in tasks]
        return [task.result() for task in running]

    async def run_one(self, graph: Any, task: RolloutTask) -> Episode:
        """Run one task on a graph of `graph()`; what ends the graph is raised as it is."""
        question, context = task.question or task.script.as_question(), task.settings(self.context)
        config: Any = {"recursion_limit": recursion_limit(context), "metadata": {"question_id": question.id}}
        with recording(seed=task.seed, strict=self.strict) as recorded:
            try:
                output = await graph.ainvoke(as_input(question), config, context=context)
            finally:
                for conversation in recorded.conversations.values():
                    self.policy.engine.release(conversation.session)
        trajectory = trajectory_of(output)
        reward = reward_of(trajectory, task.script, context)
        return Episode(task.script, trajectory, recorded, reward, task.budget_share)
