"""The graph's state, its input and output, and the knobs of a run.

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
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, cast

from langchain_core.messages import AnyMessage
from langgraph.channels import LastValue
from langgraph.graph.message import add_messages
from pydantic import Field, JsonValue, TypeAdapter
from typing_extensions import TypedDict

from agentcvr_graph.answers import KnownQuestionKind
from agentcvr_graph.types import (
    Answer,
    Cost,
    Failure,
    FrozenModel,
    Listen,
    Observation,
    Observe,
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
    request: Observe | Listen
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


class CVROutput(TypedDict):
    """What a caller gets. Exactly one of `answer` and `failure` is not None."""

    answer: Annotated[Answer | None, Latest]
    failure: Annotated[Failure | None, Latest]
    observations: Annotated[list[Observation], append_observations]
    usage: Annotated[Usage, Latest]
    messages: Annotated[list[AnyMessage], add_messages]
    asked: Annotated[Question, Latest]
    """The question as the graph understood it: videos resolved, kind decided."""
    sources: Annotated[list[VideoInfo], Latest]


class CVRState(CVRInput, CVROutput):
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


NOISES = ("off", "mild", "fitted")
"""Noise that a run on a server may choose; elsewhere it may also be a file."""


def _knob(*nodes: str, description: str, ge: float | None = None, enum: Sequence[str] = ()) -> Any:
    """A field of a form. LangGraph Studio shows it beside the nodes that it is about (`langgraph_nodes`)."""
    extra: dict[str, JsonValue] = {"langgraph_nodes": [*nodes]}
    if enum:
        extra["enum"] = [*enum]
    return Field(ge=ge, description=description, json_schema_extra=extra)


@dataclass(frozen=True)
class CVRContext:
    """The knobs of a run. All of them are JSON-able; objects are bound when the graph is built."""

    max_turns: Annotated[int, _knob("master", ge=1, description="Calls of the master; the last may only answer.")] = 12
    max_frames: Annotated[
        int, _knob("visual_agent", ge=0, description="Frames that may be looked at in one question.")
    ] = 512
    max_frames_per_call: Annotated[
        int,
        _knob("visual_agent", ge=1, description="Frames of one observe call, shared over its windows by duration."),
    ] = 128
    max_audio_s: Annotated[
        float, _knob("audio_agent", ge=0, description="Seconds of sound that may be listened to.")
    ] = 7200.0
    max_tokens: Annotated[
        int | None,
        _knob("master", ge=0, description="Input and output tokens of all models together; empty for no limit."),
    ] = None
    max_wall_s: Annotated[
        float | None, _knob("master", ge=0, description="Wall-clock seconds; empty for no limit.")
    ] = None
    min_evidence: Annotated[
        int,
        _knob("conclude", ge=0, description="Observations of every readable video before an answer is accepted."),
    ] = 1
    ask_above_frames: Annotated[
        int | None,
        _knob(
            "visual_agent", ge=0, description="Frames of one look above which a person is asked first; empty for never."
        ),
    ] = None
    ask_above_audio_s: Annotated[
        float | None,
        _knob(
            "audio_agent",
            ge=0,
            description="Seconds of sound in one call above which a person is asked first; empty for never.",
        ),
    ] = None
    remember: Annotated[
        bool,
        _knob(
            "brief",
            "visual_agent",
            "audio_agent",
            description="Keep evidence in the graph's store, and begin with what it knows of the videos.",
        ),
    ] = False
    unreadable: Annotated[
        Literal["stop", "continue"],
        _knob("brief", description="A video that cannot be read: stop with an error, or tell the master and go on."),
    ] = "stop"
    dialect: Annotated[
        Literal["auto", "tools", "json"],
        _knob("master", description="How the master acts: tool calls, JSON text, or tool calls where the model can."),
    ] = "auto"
    language: Annotated[
        str, _knob("master", description="Language of thoughts and answers; empty for the question's own.")
    ] = ""
    master: Annotated[
        str, _knob("master", description="Model string of the master, where the server lets you choose.")
    ] = "offline"
    vision: Annotated[
        str, _knob("visual_agent", description="Model string of the eyes, where the server lets you choose.")
    ] = "offline"
    audio: Annotated[
        str, _knob("audio_agent", description="Model string of the ears, where the server lets you choose.")
    ] = "offline"
    noise: Annotated[
        str,
        _knob(
            "visual_agent",
            "audio_agent",
            enum=NOISES,
            description="How badly scripted senses work, in swap mode: off, mild or fitted.",
        ),
    ] = "off"
