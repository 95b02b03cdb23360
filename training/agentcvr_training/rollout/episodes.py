"""Episodes: the compiled graph, run once for every script of a batch, with what the policy sampled written down.

Only so many graphs are alive at a time, and one that ends makes room for the next, so the engine always has turns to
batch. The graph is the one that users run; nothing of its loop is repeated here.
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
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import TOOLS
from agentcvr_graph.tools.spec import AnyTool
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Question
from agentcvr_training.rewards import reward_of
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.rollout.policy import PolicyChatModel, Recording, recording


@dataclass(frozen=True)
class Task:
    """One episode to run."""

    script: Script
    seed: int
    question: Question | None = None
    """What is asked of the graph; None for the script's own videos, a question over files for its twin."""


class Facts(TypedDict):
    """What an episode came to, as plain data."""

    script: str
    task: str
    seed: int
    reward: dict[str, float] | None
    """By name, before weighting; None where the infrastructure failed."""
    turns: int
    frames: int
    audio_s: float
    sampled: int
    """Tokens of the policy."""


@dataclass(frozen=True)
class Episode:
    """One episode that was run."""

    script: Script
    trajectory: Trajectory
    recording: Recording
    reward: dict[str, float] | None
    """By name, before weighting; None where the infrastructure failed."""

    @property
    def rows(self) -> list[Row]:
        """What the policy sampled, row by row; one unless a prompt drifted."""
        return [row for ledger in self.recording.ledgers for row in ledger.rows]

    @property
    def facts(self) -> Facts:
        """What it came to."""
        usage = self.trajectory.usage
        return Facts(
            script=self.script.id,
            task=self.script.task,
            seed=self.recording.seed,
            reward=self.reward,
            turns=len(self.trajectory.turns),
            frames=usage.frames,
            audio_s=usage.audio_s,
            sampled=sum(row.sampled for row in self.rows),
        )


@dataclass(frozen=True)
class RolloutRunner:
    """Where episodes are played: the policy, its senses and the knobs of a run."""

    policy: PolicyChatModel
    perception: Perception
    context: CVRContext
    live_graphs: int = 64
    tools: Iterable[AnyTool] = TOOLS
    strict: bool = False
    """Raise where tokens drift, as tests do."""

    def graph(self) -> Any:
        """The graph, compiled without a checkpointer: an episode that dies is played again."""
        return create_cvr_graph(self.policy, self.perception, tools=self.tools).compile()

    async def play(self, tasks: Sequence[Task], done: Callable[[Episode], None] | None = None) -> list[Episode]:
        """Run every task, at most `live_graphs` at a time; episodes in the order of the tasks.

        Args:
            done: told of each episode as it ends.
        """
        graph, places = self.graph(), asyncio.Semaphore(self.live_graphs)

        async def one(task: Task) -> Episode:
            async with places:
                episode = await self._play_one(graph, task)
            if done is not None:
                done(episode)
            return episode

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(task)) for task in tasks]
        return [task.result() for task in running]

    async def _play_one(self, graph: Any, task: Task) -> Episode:
        question = task.question or task.script.as_question()
        limit = recursion_limit(self.context)
        with recording(seed=task.seed, strict=self.strict) as book:
            try:
                output = await graph.ainvoke(as_input(question), {"recursion_limit": limit}, context=self.context)
            finally:
                for conversation in book.conversations.values():
                    self.policy.engine.release(conversation.session)
        trajectory = trajectory_of(output)
        return Episode(task.script, trajectory, book, reward_of(trajectory, task.script, self.context))
