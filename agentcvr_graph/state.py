"""The graph's state, its input and output, and the knobs of a run.

Nouns for state. Every channel holds references and text only, so a checkpoint grows by a few kilobytes a turn. The
context holds JSON-able knobs and nothing else, so that a server can describe it in a form.
"""

from __future__ import annotations

import operator
import time
import uuid
from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import Field
from typing_extensions import TypedDict

from agentcvr_graph.types import (
    Answer,
    Cost,
    Failure,
    Listen,
    Noun,
    Observation,
    Observe,
    Question,
    QuestionKind,
    Usage,
    Video,
    VideoInfo,
)

_PROCESS = uuid.uuid4().hex


class Call(Noun):
    """One action as the master wrote it, in either dialect."""

    id: str
    tool: str
    arguments: dict[str, object]
    native: bool = True
    """True for a tool call of the model's interface, False for an action written as JSON text."""
    problem: str = ""
    """Why the arguments could not be read at all."""


class Assignment(Noun):
    """A call that passed validation and budget, on its way to an agent."""

    call: Call
    request: Observe | Listen
    notes: tuple[str, ...] = ()
    turn: int
    left: str = ""
    """The budget line under the last reply of a turn; empty on the others."""


class Clock(Noun):
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


class CVRInput(TypedDict):
    """What a caller gives; flat, so that a form can show it."""

    question: Annotated[str, Field(description="The question, in plain words.")]
    videos: Annotated[
        list[str | Video],
        Field(description="Files, http(s) URLs or image folders; '#t=12.5,40' behind one makes a clip."),
    ]
    options: NotRequired[Annotated[list[str], Field(description="Options to choose from, or things to order.")]]
    kind: NotRequired[Annotated[QuestionKind, Field(description="'auto': options mean 'choice', else 'text'.")]]


def as_input(question: Question) -> CVRInput:
    """A stored question as the graph's input."""
    videos: list[str | Video] = list(question.videos)
    return CVRInput(question=question.question, videos=videos, options=list(question.options), kind=question.kind)


class CVROutput(TypedDict):
    """What a caller gets. Exactly one of `answer` and `failure` is not None."""

    answer: Answer | None
    failure: Failure | None
    observations: Annotated[list[Observation], operator.add]
    usage: Usage
    messages: Annotated[list[AnyMessage], add_messages]
    asked: Question
    """The question as the graph understood it: videos resolved, kind decided."""
    sources: list[VideoInfo]


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
    spent: Annotated[Cost, operator.add]
    clock: Clock
    assignments: list[Assignment]
    """The calls of the last turn that go to the agents."""
    draft: Call | None
    """The answer call of the last turn, not yet validated."""


class AgentInput(TypedDict):
    """What `Send` hands to the visual or the audio agent."""

    assignment: Assignment
    sources: list[VideoInfo]


@dataclass(frozen=True)
class CVRContext:
    """The knobs of a run. All of them are JSON-able; objects are bound when the graph is built."""

    max_turns: Annotated[int, Field(ge=1, description="Calls of the master; the last may only answer.")] = 12
    max_frames: Annotated[int, Field(ge=0, description="Frames that may be looked at in one question.")] = 512
    max_frames_per_call: Annotated[
        int, Field(ge=1, description="Frames of one observe call, shared over its windows by duration.")
    ] = 128
    max_audio_s: Annotated[float, Field(ge=0, description="Seconds of sound that may be listened to.")] = 7200.0
    max_tokens: Annotated[
        int | None, Field(description="Input and output tokens of all models together; empty for no limit.")
    ] = None
    max_wall_s: Annotated[float | None, Field(description="Wall-clock seconds; empty for no limit.")] = None
    min_evidence: Annotated[
        int, Field(ge=0, description="Observations of every readable video before an answer is accepted.")
    ] = 1
    ask_above_frames: Annotated[
        int | None,
        Field(description="Frames of one look above which a person is asked first; empty for never."),
    ] = None
    ask_above_audio_s: Annotated[
        float | None,
        Field(description="Seconds of sound in one call above which a person is asked first; empty for never."),
    ] = None
    remember: Annotated[
        bool,
        Field(description="Keep evidence in the graph's store, and begin with what it knows of the videos."),
    ] = False
    unreadable: Annotated[
        Literal["stop", "continue"],
        Field(description="A video that cannot be read: stop with an error, or tell the master and go on."),
    ] = "stop"
    dialect: Annotated[
        Literal["auto", "tools", "json"],
        Field(description="How the master acts: tool calls, JSON text, or tool calls where the model can."),
    ] = "auto"
    language: Annotated[str, Field(description="Language of thoughts and answers; empty for the question's own.")] = ""
    master: Annotated[str, Field(description="Model string of the master, where the server lets you choose.")] = (
        "offline"
    )
    vision: Annotated[str, Field(description="Model string of the eyes, where the server lets you choose.")] = "offline"
    audio: Annotated[str, Field(description="Model string of the ears, where the server lets you choose.")] = "offline"
    noise: Annotated[
        str,
        Field(description="How badly scripted senses work, in swap mode: off, mild or fitted."),
    ] = "off"
