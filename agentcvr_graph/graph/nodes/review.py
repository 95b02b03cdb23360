"""A person's say before a look that costs much: approve it, edit it, refuse it, or answer in its place.

The request and the decisions have the shape of LangChain's human-in-the-loop middleware, so that the interfaces which
know it (LangGraph Studio, agent inboxes) show it. Each look asks for itself; looks of one turn that need no approval do
not wait. Resume with `Command(resume={"decisions": [{"type": "approve"}]})`; where several looks wait, with a mapping
from the id of each interrupt to its decisions. The graph needs a checkpointer then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, cast

from langgraph.types import interrupt
from typing_extensions import TypedDict

from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.events import describe_request
from agentcvr_graph.graph.state import Assignment
from agentcvr_graph.tools import plan_request, read_arguments
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Evidence, Listen, Observation, Observe, VideoInfo

DecisionType = Literal["approve", "edit", "reject", "respond"]
DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
PERSON = "person"
"""Model of an observation that a person told."""


class ActionRequest(TypedDict):
    """The look that waits."""

    name: str
    args: dict[str, Any]
    description: str


class ReviewConfig(TypedDict):
    """What may be decided."""

    action_name: str
    allowed_decisions: list[DecisionType]


class ReviewRequest(TypedDict):
    """Value of the interrupt."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]


class Decision(TypedDict):
    """What a person decided."""

    type: DecisionType
    edited_action: NotRequired[dict[str, Any]]
    """With `edit`: name and args, as the master would have written them."""
    message: NotRequired[str]
    """With `reject`: why. With `respond`: what is to be seen or heard there."""


class Refusal(ActionError):
    """A person does not want this look."""


def needs_review(request: Observe | Listen, context: CVRContext) -> bool:
    """Whether a look costs more than may be spent without asking."""
    if isinstance(request, Observe):
        limit, cost = context.review_above_frames, request.frames
    else:
        limit, cost = context.review_above_audio_s, request.window.duration_s
    return limit is not None and cost > limit


def review(assignment: Assignment, sources: Sequence[VideoInfo], context: CVRContext) -> Observe | Listen | Observation:
    """Wait for a decision: the request to carry out, or what the person says is there.

    A decision that cannot be carried out is asked for again, with the reason.

    Raises:
        Refusal: so it was decided; the master reads why.
    """
    problem = ""
    while True:
        given = interrupt(_request(assignment, problem))
        try:
            return _carried_out(_read(given), assignment, sources, context)
        except Refusal:
            raise
        except ActionError as error:
            problem = str(error)


def _request(assignment: Assignment, problem: str) -> ReviewRequest:
    name = assignment.call.tool
    told = f"The master {describe_request(assignment.request)}."
    description = f"{told}\n{problem}" if problem else told
    asked = ActionRequest(name=name, args=_arguments(assignment.request), description=description)
    return ReviewRequest(
        action_requests=[asked], review_configs=[ReviewConfig(action_name=name, allowed_decisions=list(DECISIONS))]
    )


def _arguments(request: Observe | Listen) -> dict[str, Any]:
    """As the master would have to write it, clipped and within budget."""
    if isinstance(request, Observe):
        return request.model_dump(mode="json")
    return {**request.window.model_dump(), "focus": request.focus}


def _read(given: object) -> Decision:
    try:
        (decision,) = cast(Any, given)["decisions"]
        if decision["type"] in DECISIONS:
            return cast(Decision, decision)
    except (KeyError, TypeError, ValueError):
        pass
    raise ActionError(f'Resume with {{"decisions": [{{"type": ...}}]}}; types are {", ".join(DECISIONS)}.')


def _carried_out(
    decision: Decision, assignment: Assignment, sources: Sequence[VideoInfo], context: CVRContext
) -> Observe | Listen | Observation:
    request = assignment.request
    if decision["type"] == "reject":
        raise Refusal(f"A person refused this look. {decision.get('message', '')}".strip())
    if decision["type"] == "edit":
        edited = decision.get("edited_action") or {}
        if edited.get("name", assignment.call.tool) != assignment.call.tool:
            raise ActionError(f"A look by {assignment.call.tool} cannot become another tool.")
        arguments = read_arguments(assignment.call.tool, cast(Mapping[str, object], edited.get("args") or {}))
        # Whoever allows a look may allow more than is left; what it costs is counted all the same.
        whole = Budget(turns=1, frames=context.max_frames, audio_s=context.max_audio_s)
        return plan_request(arguments, sources, whole, context.max_frames_per_call)[0]
    if decision["type"] == "respond":
        return _told(request, decision.get("message", ""))
    return request


def _told(request: Observe | Listen, message: str) -> Observation:
    """What a person says, as evidence about the windows that were to be looked at."""
    if not message.strip():
        raise ActionError("A response needs a message: what is to be seen or heard there.")
    return Observation(
        modality="visual" if isinstance(request, Observe) else "audio",
        windows=request.windows,
        focus=request.focus,
        evidence=tuple(Evidence(text=message.strip(), window=window) for window in request.windows),
        model=PERSON,
    )
