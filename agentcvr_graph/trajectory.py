"""A run as typed data: the master's thoughts, actions, replies and answer, turn by turn.

A `Trajectory` is derived from the final state of a graph run. It holds everything that reports, rewards and benchmarks
need; they never read the graph's state or its messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, AnyMessage

from agentcvr_graph.catalogue import Summary
from agentcvr_graph.errors import InputError, shown_address
from agentcvr_graph.graph.channels import typed
from agentcvr_graph.graph.dialects import FAILED_BY, call_answered, read_calls, thought_of
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.prompts import since_brief, tools_in_brief
from agentcvr_graph.graph.state import Call, CVROutput
from agentcvr_graph.tools.outline import Outlines, ToolOutline, outline_of
from agentcvr_graph.types import (
    Answer,
    AnswerKind,
    Citation,
    Failure,
    FrozenModel,
    Observation,
    Question,
    Usage,
    Verification,
    VideoInfo,
)


class Action(FrozenModel):
    """One call of the master, with its reply."""

    call_id: str
    tool: str
    """`observe`, `listen`, `answer` or another tool of the graph; any other name is one that the master made up."""
    arguments: dict[str, Any]
    """As the master wrote them."""
    reply: str = ""
    """The text that the master read as the result."""
    observation: Observation | None = None
    """The observation; None for an answer and for a call that failed."""
    failed_by: Literal["", "infrastructure"] = ""
    """`infrastructure` if the call was valid and the perception failed, which is not the policy's fault."""
    ends: bool = False
    """True if the tool is one that ends the question, whether or not its answer was accepted."""
    alias: bool = False
    """True if the tool is named as another system names it, such as `final_answer` for `answer`."""
    prose: bool = False
    """True for an answer that a turn without an action gives in prose; training counts it as a format error."""


class Turn(FrozenModel):
    """One call of the master's model."""

    number: int
    """From 1."""
    thought: str = ""
    """The text that the master wrote beside its actions."""
    actions: tuple[Action, ...] = ()
    """Empty for a turn that could not be parsed."""
    complaint: str = ""
    """The graph's reply to a turn that it could not use."""


class Trajectory(FrozenModel):
    """The full run of one question."""

    question: str
    kind: AnswerKind
    options: tuple[str, ...]
    videos: tuple[VideoInfo, ...]
    """The videos that were opened, by number; of a large catalogue those that were listed, looked at or listened to."""
    catalogue: Summary | None = None
    """How many videos there are in all; None in runs of earlier versions, which opened all."""
    turns: tuple[Turn, ...]
    answer: Answer | None
    failure: Failure | None
    usage: Usage
    verifications: tuple[Verification, ...] = ()
    """The checks of citations, in the order in which they ended; empty without the feature `verify`."""

    def verification_of(self, citation: Citation) -> Verification | None:
        """Return the check of a citation; None if it was not checked."""
        return next((one for one in self.verifications if one.citation == citation), None)

    @property
    def video_count(self) -> int:
        """Number of all videos of the question."""
        return self.catalogue.count if self.catalogue else len(self.videos)

    def video(self, number: int) -> VideoInfo:
        """Return an opened video by its number.

        Raises:
            KeyError: it was not opened.
        """
        return self._by_number[number]

    @cached_property
    def _by_number(self) -> dict[int, VideoInfo]:
        return {info.number: info for info in self.videos}

    @property
    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            action.observation for turn in self.turns for action in turn.actions if action.observation is not None
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the evidence, once each.

        First what a folder left out, then notes on the videos, those of the observations, and failed calls.
        """
        known = list(self.catalogue.notes) if self.catalogue else []
        known += [f"video {info.number}: {note}" for info in self.videos for note in info.notes]
        later = [_placed(note, one) for one in self.observations for note in one.notes]
        return tuple(dict.fromkeys([*known, *later, *self.failed_calls]))

    @property
    def failed_calls(self) -> tuple[str, ...]:
        """What could not be observed because of infrastructure, once each: the tool, and the error."""
        return tuple(
            dict.fromkeys(
                f"a call of {action.tool} failed and gave no evidence: {_error_in(action.reply)}"
                for turn in self.turns
                for action in turn.actions
                if action.failed_by
            )
        )

    def without_secrets(self) -> Trajectory:
        """Return a copy that is safe to store and share: video addresses have no user, password and query."""

        def shown(info: VideoInfo) -> VideoInfo:
            video = info.video.model_copy(update={"source": shown_address(info.video.source)})
            return info.model_copy(update={"video": video})

        return self.model_copy(update={"videos": tuple(map(shown, self.videos))})


def trajectory_of(output: CVROutput | Mapping[str, Any]) -> Trajectory:
    """Return the trajectory of the last question of a thread, from the output or the final state of a run.

    The values of a LangGraph server are JSON and are read as such.

    Raises:
        InputError: the run waits for a human, or it was cancelled before the question was checked.
    """
    given = cast(Mapping[str, Any], output)
    if given.get("checked_question") is None:
        if (failure := typed(Failure | None, given.get("failure"))) is not None:
            raise InputError(failure.message)
        raise InputError("The run has no result yet.", fix="Resume it, then read its output.")
    question = typed(Question, given["checked_question"])
    messages = policy_messages(cast(Any, given))
    observations = typed(list[Observation], given["observations"])
    return Trajectory(
        question=question.question,
        kind=question.kind,
        options=question.options,
        videos=tuple(typed(list[VideoInfo], given["sources"])),
        catalogue=typed(Summary | None, given.get("catalogue")),
        turns=tuple(_turns(since_brief(messages), observations, tools_in_brief(messages))),
        answer=typed(Answer | None, given["answer"]),
        failure=typed(Failure | None, given["failure"]),
        usage=typed(Usage, given["usage"]),
        verifications=tuple(typed(list[Verification], given.get("verifications") or [])),
    )


def _error_in(reply: str) -> str:
    """Return the error in a reply, without the budget below it."""
    return reply.partition("error: ")[2].partition("\n")[0] or reply


def _placed(note: str, observation: Observation) -> str:
    """Return a note of an observation with the number of its video; as it is if it belongs to none, as in a search."""
    if not observation.windows or note.lower().startswith("video "):
        return note
    return f"video {observation.windows[0].video}: {note}"


def _turns(messages: Sequence[AnyMessage], observations: Sequence[Observation], tools: Outlines) -> list[Turn]:
    starts = [n for n, message in enumerate(messages) if isinstance(message, AIMessage)]
    ends = [*starts[1:], len(messages)][: len(starts)]  # no turn if the master's model was never reached
    return [
        _turn(number, cast(AIMessage, messages[start]), messages[start + 1 : end], observations, tools)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1)
    ]


def _turn(
    number: int,
    message: AIMessage,
    after: Sequence[AnyMessage],
    observations: Sequence[Observation],
    tools: Outlines,
) -> Turn:
    seen = {observation.call_id: observation for observation in observations if observation.turn == number}
    replies = {call_answered(reply): reply for reply in after}
    return Turn(
        number=number,
        thought=thought_of(message, tools),
        actions=tuple(
            _action(call, replies.get(call.id), seen.get(call.id), outline_of(call.tool, tools))
            for call in read_calls(message, number, tools)
        ),
        complaint=replies[""].text if "" in replies else "",
    )


def _action(call: Call, reply: AnyMessage | None, seen: Observation | None, tool: ToolOutline | None) -> Action:
    return Action(
        call_id=call.id,
        tool=call.tool,
        arguments=call.arguments,
        reply=reply.text if reply else "",
        observation=seen,
        failed_by="infrastructure" if reply and reply.additional_kwargs.get(FAILED_BY) else "",
        ends=tool is not None and tool.ends,
        alias=tool is not None and tool.name.casefold() != call.tool.strip().casefold(),
        prose=call.prose,
    )
