"""The graph's state, its input and its output.

Every channel holds references and text only, so a checkpoint grows by a few kilobytes each turn. The context
(`context.py`) holds only JSON-able settings, so that a server can show it as a form.

Nodes read typed values from every state, because the channels validate what clients and checkpoints hold as JSON
(`channels.py`). What `Send` passes to an agent is in no channel: `agent_input` validates it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypeAlias

from langchain_core.messages import AnyMessage, MessageLikeRepresentation
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from langgraph.runtime import Runtime
from pydantic import Field
from typing_extensions import TypedDict

from agentcvr_graph.answers import KnownQuestionKind
from agentcvr_graph.catalogue import LISTED, Summary
from agentcvr_graph.graph.channels import Latest, Reduced, typed
from agentcvr_graph.graph.policy_messages import PolicyMessage, merge_policy_messages
from agentcvr_graph.types import (
    Answer,
    ClaimedCitation,
    Cost,
    Failure,
    FrozenModel,
    Observation,
    Question,
    Usage,
    Verification,
    Video,
    VideoInfo,
)

MOST_NAMED = 300
"""Most names that `Send` passes to a tool that may need any video: 15 kB, in the checkpoint of each request."""


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
    """True for an answer that a turn without an action gives in prose; its value is read as a whole reply."""


class Assignment(FrozenModel):
    """A call that is valid and within budget, for an agent to carry out."""

    call: Call
    """Names the tool."""
    node: str
    """The node that carries it out."""
    request: dict[str, object]
    """The request as the tool's specification dumps it: JSON, so that a checkpoint can store any tool's request."""
    notes: tuple[str, ...] = ()
    videos: tuple[int, ...] | None = None
    """Numbers of the videos of the request; None if it may need any of them."""
    turn: int
    left: str = ""
    """The budget line at the end of the last reply of a turn; empty for the others."""


class Check(FrozenModel):
    """A cited window that is to be observed once more (feature `verify`)."""

    citation: ClaimedCitation
    assignment: Assignment
    """The second look, planned within the reserve."""


class Work(FrozenModel):
    """The time in which one node worked, in seconds of the system's clock, which all processes share."""

    start_s: float
    end_s: float

    @classmethod
    def of(cls, runtime: Runtime[Any]) -> Work:
        """Return the time from the first attempt of the running node until now."""
        info, now_s = runtime.execution_info, time.time()
        first_s = info.node_first_attempt_time if info is not None else None
        return cls(start_s=now_s if first_s is None else min(first_s, now_s), end_s=now_s)


class Clock(FrozenModel):
    """When nodes worked on a question.

    The time in which a run waits for a human or for another process belongs to no node, so it does not count.
    """

    work: tuple[tuple[float, float], ...] = ()
    """Start and end of each time of work; those of parallel nodes overlap."""

    @property
    def elapsed_s(self) -> float:
        """The seconds in which at least one node worked."""
        total_s, until_s = 0.0, 0.0
        for start_s, end_s in sorted(self.work):
            total_s += max(0.0, end_s - max(start_s, until_s))
            until_s = max(until_s, end_s)
        return total_s

    def add(self, more: Work) -> Clock:
        """Return the clock with one more time of work."""
        return Clock(work=(*self.work, (more.start_s, more.end_s)))


_CLOCK_OR_WORK: Any = Clock | Work


def add_work(so_far: Clock, more: Clock | Work) -> Clock:
    """Add a time of work: the reducer of `clock`. A whole clock replaces the one so far."""
    given = typed(_CLOCK_OR_WORK, more)
    return given if isinstance(given, Clock) else typed(Clock, so_far).add(given)


def add_costs(so_far: Cost, more: Cost) -> Cost:
    """Add costs: the reducer of `spent`."""
    return typed(Cost, so_far) + typed(Cost, more)


def append_verifications(so_far: list[Verification], more: list[Verification]) -> list[Verification]:
    """Append verifications: the reducer of `verifications`."""
    return so_far + typed(list[Verification], more)


def append_observations(so_far: list[Observation], more: list[Observation]) -> list[Observation]:
    """Append observations: the reducer of `observations`."""
    return so_far + typed(list[Observation], more)


def add_sources(so_far: list[VideoInfo], more: list[VideoInfo]) -> list[VideoInfo]:
    """Add opened videos, in order of their numbers: the reducer of `sources`."""
    known = {info.number: info for info in (*so_far, *typed(list[VideoInfo], more))}
    return [known[number] for number in sorted(known)]


_QuestionText: TypeAlias = Annotated[str, Field(description="The question, in plain words.")]
_Videos: TypeAlias = Annotated[
    list[str | Video],
    Field(description="Files, folders, patterns (clips/*.mp4) or http(s) URLs; '#t=12.5,40' makes a clip."),
]
_Options: TypeAlias = Annotated[list[str], Field(description="Options to choose from, or things to order.")]
_Kind: TypeAlias = Annotated[KnownQuestionKind, Field(description="'auto': options mean 'choice', else 'text'.")]


class CVRInput(TypedDict):
    """The input of one question; flat, so that a form can show it."""

    question: _QuestionText
    videos: _Videos
    options: NotRequired[_Options]
    kind: NotRequired[_Kind]


class ChatInput(TypedDict):
    """The input of a chat: the conversation so far, whose last message asks."""

    messages: Annotated[
        Sequence[MessageLikeRepresentation],
        Field(
            description="The conversation. Text names files or URLs; blocks of videos and options 'A) ...' are read."
        ),
    ]
    videos: NotRequired[_Videos]
    options: NotRequired[_Options]
    kind: NotRequired[_Kind]


class _QuestionChannels(TypedDict):
    """The fields of both inputs besides `messages`."""

    question: NotRequired[_QuestionText]
    videos: NotRequired[_Videos]
    options: NotRequired[_Options]
    kind: NotRequired[_Kind]


class InputChannels(_QuestionChannels):
    """Both inputs as LangGraph channels."""

    messages: NotRequired[
        Annotated[
            list[AnyMessage],
            add_messages,
            Field(description="A chat: the last message asks, and names files or URLs. Instead of `question`."),
        ]
    ]


def as_input(question: Question) -> CVRInput:
    """Return a stored question as the graph's input."""
    videos: list[str | Video] = list(question.videos)
    return CVRInput(question=question.question, videos=videos, options=list(question.options), kind=question.kind)


class _Reported(TypedDict):
    """The output of a run besides its answer or failure."""

    observations: Annotated[list[Observation], Reduced(list[Observation], append_observations)]
    verifications: Annotated[list[Verification], Reduced(list[Verification], append_verifications)]
    """The checks of citations, in the order in which they ended; empty without the feature `verify`."""
    usage: Annotated[Usage, Latest]
    messages: Annotated[list[AnyMessage], add_messages]
    """The conversation with the caller: each question, and the reply that closes its run."""
    policy_messages: Annotated[list[PolicyMessage], Reduced(list[PolicyMessage], merge_policy_messages)]
    """The conversation of the master with the graph."""
    checked_question: Annotated[Question, Latest]
    """The checked question: videos as `Video`, kind decided."""
    sources: Annotated[list[VideoInfo], Reduced(list[VideoInfo], add_sources)]
    """What is known of the videos that were opened: the first ones, and those that calls named; by number."""
    catalogue: Annotated[Summary | None, Latest]
    """How many videos there are in all, and a digest of the list."""


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


class CVRState(_QuestionChannels, OutputChannels):
    """The full state of a run, between START and END."""

    turn: int
    """Number of the master's turns in this question so far."""
    complaints: int
    """Number of turns in a row without a usable action."""
    repairs: int
    """Number of answers sent back because they did not fit their kind."""
    closing: bool
    """True from the turn on in which only `answer` is allowed."""
    spent: Annotated[Cost, Reduced(Cost, add_costs)]
    clock: Annotated[Clock, Reduced(Clock, add_work)]
    settings: Annotated[dict[str, Any], Latest]
    """The settings that were sent for this question (`context.merged`)."""
    remaining_steps: NotRequired[RemainingSteps]
    """Supersteps that the caller's `recursion_limit` leaves; set by LangGraph and never stored."""
    assignments: Annotated[list[Assignment], Latest]
    """The calls of the last turn that go to the agents."""
    draft: Annotated[Call | None, Latest]
    """The answer call of the last turn, not yet accepted."""
    checks: Annotated[list[Check], Latest]
    """The citations of the draft that are to be checked before it is accepted."""


class SentVideos(TypedDict):
    """What `Send` passes of the videos and the settings of a question: of thousands of videos only those needed."""

    sources: list[VideoInfo]
    """The opened videos; of more than a brief lists only those of the request."""
    settings: NotRequired[dict[str, Any]]
    """The settings that were sent for the question."""
    catalogue: NotRequired[Summary | None]
    """Set if there are more videos than a brief lists."""
    named: NotRequired[list[str | Video]]
    """What the caller named, as a source where that is all; set with `catalogue` if it is short.

    A request that may need any of more than `MOST_NAMED` finds them in the process, where the turn of the master kept
    them under the digest of `catalogue`. Another process, which takes up the run at this request, replies with an
    error; the master's next turn lists the videos there."""


class AgentInput(SentVideos):
    """The input that `Send` passes to an agent."""

    assignment: Assignment


class VerifyInput(SentVideos):
    """The input that `Send` passes to `verify`."""

    check: Check


def input_of_agent(assignment: Assignment, state: CVRState) -> AgentInput:
    """Return what `Send` passes to an agent."""
    return AgentInput(assignment=assignment, **_sent(assignment.videos, state))


def input_of_verify(check: Check, state: CVRState) -> VerifyInput:
    """Return what `Send` passes to `verify`."""
    return VerifyInput(check=check, **_sent((check.citation.video,), state))


def agent_input(given: Mapping[str, Any]) -> AgentInput:
    """Return the input of an agent with typed values: a checkpoint may hold them as dictionaries."""
    return AgentInput(assignment=typed(Assignment, given["assignment"]), **_typed_videos(given))


def verify_input(given: Mapping[str, Any]) -> VerifyInput:
    """Return the input of `verify` with typed values: a checkpoint may hold them as dictionaries."""
    return VerifyInput(check=typed(Check, given["check"]), **_typed_videos(given))


def _sent(numbers: tuple[int, ...] | None, state: CVRState) -> SentVideos:
    """Return the videos of a request; None for a request that may need any of them."""
    given = SentVideos(sources=state["sources"], settings=state.get("settings") or {})
    summary = state.get("catalogue")
    if summary is None or summary.count <= LISTED:
        return given
    given["catalogue"], named = summary, state["checked_question"].videos
    if numbers is not None:
        given["sources"] = [info for info in state["sources"] if info.number in numbers]
    if len(named) <= (LISTED if numbers is not None else MOST_NAMED):
        given["named"] = [video.source if video == Video(source=video.source) else video for video in named]
    return given


def _typed_videos(given: Mapping[str, Any]) -> SentVideos:
    named: list[Any] = given.get("named") or []
    return SentVideos(
        sources=typed(list[VideoInfo], given["sources"]),
        settings=given.get("settings") or {},
        catalogue=typed(Summary | None, given.get("catalogue")),
        named=[Video(source=one) if isinstance(one, str) else typed(Video, one) for one in named],
    )
