"""A run as typed data: what the master thought, asked for, got back, and answered, turn by turn.

A `Trajectory` is derived from the final state of a graph run and holds all that reports, rewards and benchmarks need;
they read it and never the graph's state or its messages.
"""

from __future__ import annotations

from typing import Any, Literal

from agentcvr_graph.types import Answer, AnswerKind, Failure, Noun, Observation, Usage, VideoInfo

Tool = Literal["observe", "listen", "answer"]


class Action(Noun):
    """One call that the master made, and what came back."""

    call_id: str
    tool: str
    """`observe`, `listen` or `answer`; anything else is a name that the master made up."""
    arguments: dict[str, Any]
    """As the master wrote them."""
    reply: str = ""
    """The text that the master read in return."""
    observation: Observation | None = None
    """What was seen or heard; None for an answer and for a call that failed."""


class Turn(Noun):
    """One call of the master's model."""

    number: int
    """From 1."""
    thought: str = ""
    """The text the master wrote beside its actions."""
    actions: tuple[Action, ...] = ()
    """Empty for a turn that could not be parsed."""
    complaint: str = ""
    """What the graph told the master about this turn, when it could not be used as it was."""


class Trajectory(Noun):
    """One question from start to end."""

    question: str
    kind: AnswerKind
    options: tuple[str, ...]
    videos: tuple[VideoInfo, ...]
    turns: tuple[Turn, ...]
    answer: Answer | None
    failure: Failure | None
    usage: Usage

    @property
    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            action.observation for turn in self.turns for action in turn.actions if action.observation is not None
        )
