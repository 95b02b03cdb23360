"""The graph's state, its input and its output.

Every channel holds references and text only, so a checkpoint grows by a few kilobytes each turn. The context
(`context.py`) holds only JSON-able settings, so that a server can show it as a form.

The nodes write models to the channels. Clients of a server write JSON (a state that was edited in LangGraph Studio),
and a server reads a state as JSON before it applies pending writes. So each channel validates what is written to it.
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NotRequired, TypeAlias, cast

from langchain_core.messages import AnyMessage
from langgraph.channels import LastValue
from langgraph.graph.message import add_messages
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from agentcvr_graph.answers import KnownQuestionKind
from agentcvr_graph.types import (
    Answer,
    Cost,
    Failure,
    FrozenModel,
    Observation,
    Question,
    Usage,
    Video,
    VideoInfo,
)

_PROCESS = uuid.uuid4().hex


class Call(FrozenModel):
    """One action as the master wrote it, in either dialect."""

    id: str
    tool: str
    arguments: dict[str, object]
    native: bool = True
    """True for a tool call of the model's interface, False for an action written as JSON text."""
    problem: str = ""
    """Why the arguments could not be read; empty if they could."""
    prose: bool = False
    """True for an answer that the turn states in prose, without any action."""


class Assignment(FrozenModel):
    """A call that is valid and within budget, for an agent to carry out."""

    call: Call
    """Names the tool."""
    node: str
    """The node that carries it out."""
    request: dict[str, object]
    """The request as the tool's specification dumps it: JSON, so that a checkpoint can store any tool's request."""
    notes: tuple[str, ...] = ()
    turn: int
    left: str = ""
    """The budget line at the end of the last reply of a turn; empty for the others."""


class Clock(FrozenModel):
    """Wall-clock time of a run. The time between two processes (a killed run, its resumption) does not count."""

    elapsed_s: float = 0.0
    at_s: float = 0.0
    """Monotonic time of the last reading; valid only in `process`."""
    process: str = ""

    @classmethod
    def start(cls) -> Clock:
        """Return a clock that starts now."""
        return cls(at_s=time.monotonic(), process=_PROCESS)

    def read(self) -> Clock:
        """Return the clock of this moment. The time since the last reading counts only if that was in this process."""
        now_s = time.monotonic()
        passed_s = now_s - self.at_s if self.process == _PROCESS else 0.0
        return Clock(elapsed_s=self.elapsed_s + passed_s, at_s=now_s, process=_PROCESS)


class Latest(LastValue[Any]):
    """A channel that keeps the last value, validated as the channel's type."""

    __slots__ = ()

    def update(self, values: Sequence[Any]) -> bool:
        """Validate the values, then update as `LastValue` does."""
        return super().update([value if _is_model(value) else _reader(self.typ)(value) for value in values])


def _is_model(value: Any) -> bool:
    """Return whether a value needs no validation. This check runs on every write, and is cheaper than validation."""
    if isinstance(value, list):
        return all(isinstance(one, FrozenModel) for one in cast(list[Any], value))
    return value is None or isinstance(value, FrozenModel)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    return TypeAdapter[Any](kind).validate_python


def add_costs(so_far: Cost, more: Cost) -> Cost:
    """Add costs: the reducer of `spent`."""
    return _cost(so_far) + _cost(more)


def _cost(given: Any) -> Cost:
    return given if isinstance(given, Cost) else Cost.model_validate(given)


def append_observations(so_far: list[Observation], more: list[Observation]) -> list[Observation]:
    """Append observations: the reducer of `observations`."""
    return so_far + [Observation.model_validate(one) for one in more]


class CVRInput(TypedDict):
    """The input of the graph; flat, so that a form can show it."""

    question: Annotated[str, Field(description="The question, in plain words.")]
    videos: Annotated[
        list[str | Video],
        Field(description="Files, http(s) URLs or image folders; '#t=12.5,40' behind one makes a clip."),
    ]
    options: NotRequired[Annotated[list[str], Field(description="Options to choose from, or things to order.")]]
    kind: NotRequired[Annotated[KnownQuestionKind, Field(description="'auto': options mean 'choice', else 'text'.")]]


def as_input(question: Question) -> CVRInput:
    """Return a stored question as the graph's input."""
    videos: list[str | Video] = list(question.videos)
    return CVRInput(question=question.question, videos=videos, options=list(question.options), kind=question.kind)


class _Reported(TypedDict):
    """The output of a run besides its answer or failure."""

    observations: Annotated[list[Observation], append_observations]
    usage: Annotated[Usage, Latest]
    messages: Annotated[list[AnyMessage], add_messages]
    checked_question: Annotated[Question, Latest]
    """The checked question: videos as `Video`, kind decided."""
    sources: Annotated[list[VideoInfo], Latest]


class CVRAnswered(_Reported):
    """The output of a run that ended in an answer."""

    answer: Answer
    failure: None


class CVRFailed(_Reported):
    """The output of a run that ended without an answer."""

    answer: None
    failure: Failure


CVROutput: TypeAlias = CVRAnswered | CVRFailed
"""The output of a run. Exactly one of `answer` and `failure` is not None.

After `output["failure"] is None` mypy knows that `answer` is not None. pyright does not narrow a dictionary by a key
that is None: assign `answer = output["answer"]` and compare that.
"""


class OutputChannels(_Reported):
    """The output as LangGraph channels. During a run, neither `answer` nor `failure` is set."""

    answer: Annotated[Answer | None, Latest]
    failure: Annotated[Failure | None, Latest]


class CVRState(CVRInput, OutputChannels):
    """The full state of a run, between START and END."""

    turn: int
    """Number of the master's turns in this question so far."""
    complaints: int
    """Number of turns in a row without a usable action."""
    repairs: int
    """Number of answers sent back because they did not fit their kind."""
    closing: bool
    """True from the turn on in which only `answer` is allowed."""
    spent: Annotated[Cost, add_costs]
    clock: Annotated[Clock, Latest]
    assignments: Annotated[list[Assignment], Latest]
    """The calls of the last turn that go to the agents."""
    draft: Annotated[Call | None, Latest]
    """The answer call of the last turn, not yet validated."""


class AgentInput(TypedDict):
    """The input that `Send` passes to an agent."""

    assignment: Assignment
    sources: list[VideoInfo]
