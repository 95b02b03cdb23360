"""The graph's state, its input and its output.

Nouns for state. Every channel holds references and text only, so a checkpoint grows by a few kilobytes a turn. The
context holds JSON-able knobs and nothing else, so that a server can describe it in a form.

Clients of a server write JSON where the nodes write nouns (a state that is edited in LangGraph Studio), and a server
reads a state as JSON before it applies what is pending to it. So what is written to a channel becomes its noun.
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
    """Why the arguments could not be read at all."""


class Assignment(FrozenModel):
    """A call that passed validation and budget, on its way to an agent."""

    call: Call
    """Names the tool."""
    node: str
    """The node that carries it out."""
    request: dict[str, object]
    """As the specification of the tool writes it: JSON, so that any tool's request survives a checkpoint."""
    notes: tuple[str, ...] = ()
    turn: int
    left: str = ""
    """The budget line under the last reply of a turn; empty on the others."""


class Clock(FrozenModel):
    """Wall-clock time of a run. The gap between two processes (a kill, a resume) does not count."""

    elapsed_s: float = 0.0
    at_s: float = 0.0
    """Monotonic time of the last reading, meaningful in `process` only."""
    process: str = ""

    @classmethod
    def start(cls) -> Clock:
        """A clock that starts now."""
        return cls(at_s=time.monotonic(), process=_PROCESS)

    def read(self) -> Clock:
        """The clock now; time since the last reading counts only if that was in this process."""
        now_s = time.monotonic()
        passed_s = now_s - self.at_s if self.process == _PROCESS else 0.0
        return Clock(elapsed_s=self.elapsed_s + passed_s, at_s=now_s, process=_PROCESS)


class Latest(LastValue[Any]):
    """A channel that keeps what is written last, as the noun that it is."""

    __slots__ = ()

    def update(self, values: Sequence[Any]) -> bool:
        """As `LastValue.update`."""
        return super().update([value if _is_model(value) else _reader(self.typ)(value) for value in values])


def _is_model(value: Any) -> bool:
    """Cheaper to ask than to validate: this is every write of every step."""
    if isinstance(value, list):
        return all(isinstance(one, FrozenModel) for one in cast(list[Any], value))
    return value is None or isinstance(value, FrozenModel)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    return TypeAdapter[Any](kind).validate_python


def add_costs(so_far: Cost, more: Cost) -> Cost:
    """The reducer of costs."""
    return _cost(so_far) + _cost(more)


def _cost(given: Any) -> Cost:
    return given if isinstance(given, Cost) else Cost.model_validate(given)


def append_observations(so_far: list[Observation], more: list[Observation]) -> list[Observation]:
    """The reducer of evidence."""
    return so_far + [Observation.model_validate(one) for one in more]


class CVRInput(TypedDict):
    """What a caller gives; flat, so that a form can show it."""

    question: Annotated[str, Field(description="The question, in plain words.")]
    videos: Annotated[
        list[str | Video],
        Field(description="Files, http(s) URLs or image folders; '#t=12.5,40' behind one makes a clip."),
    ]
    options: NotRequired[Annotated[list[str], Field(description="Options to choose from, or things to order.")]]
    kind: NotRequired[Annotated[KnownQuestionKind, Field(description="'auto': options mean 'choice', else 'text'.")]]


def as_input(question: Question) -> CVRInput:
    """A stored question as the graph's input."""
    videos: list[str | Video] = list(question.videos)
    return CVRInput(question=question.question, videos=videos, options=list(question.options), kind=question.kind)


class _Reported(TypedDict):
    """What a run reports beside its answer or failure."""

    observations: Annotated[list[Observation], append_observations]
    usage: Annotated[Usage, Latest]
    messages: Annotated[list[AnyMessage], add_messages]
    asked: Annotated[Question, Latest]
    """The question as the graph understood it: videos resolved, kind decided."""
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

After `output["failure"] is None` mypy knows that `answer` is not None. pyright narrows no dictionary by a key that is
None: take `answer = output["answer"]` and compare that.
"""


class OutputChannels(_Reported):
    """The output as LangGraph's channels: while a run goes on, neither `answer` nor `failure` is set."""

    answer: Annotated[Answer | None, Latest]
    failure: Annotated[Failure | None, Latest]


class CVRState(CVRInput, OutputChannels):
    """Everything between START and END."""

    turn: int
    """Calls of the master so far, in this question."""
    complaints: int
    """Turns in a row that held no usable action."""
    repairs: int
    """Answers sent back because they did not fit their kind."""
    closing: bool
    """True once the master has been told that only `answer` is left."""
    spent: Annotated[Cost, add_costs]
    clock: Annotated[Clock, Latest]
    assignments: Annotated[list[Assignment], Latest]
    """The calls of the last turn that go to the agents."""
    draft: Annotated[Call | None, Latest]
    """The answer call of the last turn, not yet validated."""


class AgentInput(TypedDict):
    """What `Send` hands to the visual or the audio agent."""

    assignment: Assignment
    sources: list[VideoInfo]
