"""Human in the loop: a reviewer approves, edits, rejects or answers an expensive request before it is carried out.

Requests and decisions have the format of LangChain's human-in-the-loop middleware, so user interfaces that support it
(LangGraph Studio, agent inboxes) can show them. Each request is reviewed on its own. Requests of the same turn that
need no approval do not wait. Resume with `Command(resume={"decisions": [{"type": "approve"}]})`, or, if several
requests wait, with a mapping from the id of each interrupt to its decisions. The graph needs a checkpointer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, cast

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from agentcvr_graph.errors import ActionError, InfrastructureError, SettingsError
from agentcvr_graph.graph.budget import full_budget
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.opening import Opener
from agentcvr_graph.graph.state import Assignment
from agentcvr_graph.tools.spec import AnyToolSpec
from agentcvr_graph.types import Cost, Evidence, Observation, Request

DecisionType = Literal["approve", "edit", "reject", "respond"]
DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
HUMAN = "human"
"""Value of `Observation.model` if a reviewer wrote the observation."""


class ActionRequest(TypedDict):
    """The request that waits for a decision."""

    name: str
    args: dict[str, Any]
    description: str


class ReviewConfig(TypedDict):
    """The decisions that are allowed."""

    action_name: str
    allowed_decisions: list[DecisionType]


class ReviewRequest(TypedDict):
    """The value of the interrupt."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]


class Decision(TypedDict):
    """The reviewer's decision."""

    type: DecisionType
    edited_action: NotRequired[dict[str, Any]]
    """With `edit`: name and args, as the master would write them."""
    message: NotRequired[str | None]
    """With `reject`: the reason. With `respond`: what can be seen or heard there."""


_DECISION = TypeAdapter(Decision)


class Refusal(ActionError):
    """Raised when the reviewer rejects the request. The master reads the reason."""


def check_review(runtime: Runtime[CVRContext], context: CVRContext) -> None:
    """Refuse settings that make a run wait where it cannot be resumed.

    Raises:
        SettingsError: the run has no thread, so there is no checkpointer.
    """
    chosen = [name for name in ("review_above_frames", "review_above_audio_s") if getattr(context, name) is not None]
    if chosen and runtime.execution_info is not None and runtime.execution_info.thread_id is None:
        raise SettingsError(
            f"The setting {chosen[0]!r} lets the run wait for a human, and the run has no thread to wait on.",
            fix="Compile the graph (or its parent) with a checkpointer and pass a `thread_id`, or unset it.",
        )


def needs_review(cost: Cost, context: CVRContext) -> bool:
    """Return whether a request costs more than the context allows without approval."""
    return _exceeds(cost.frames, context.review_above_frames) or _exceeds(cost.audio_s, context.review_above_audio_s)


def _exceeds(amount: float, limit: float | None) -> bool:
    return limit is not None and amount > limit


async def review(
    assignment: Assignment, tool: AnyToolSpec, opener: Opener, context: CVRContext
) -> Request | Observation:
    """Wait for a decision: return the request to carry out, or the reviewer's own observation.

    After a decision that cannot be applied, ask again and show the reason.

    Raises:
        Refusal: the reviewer rejected the request.
    """
    request: Request = tool.load(assignment.request)
    problem = ""
    while True:
        given = interrupt(_review_request(tool, request, problem))
        try:
            return await _apply(_read_decision(given), tool, request, opener, context)
        except Refusal:
            raise
        except (ActionError, InfrastructureError) as error:
            problem = str(error)


def _review_request(tool: AnyToolSpec, request: Request, problem: str) -> ReviewRequest:
    summary = f"Approval needed: {tool.describe(request)}."
    action = ActionRequest(
        name=tool.name,
        args=tool.editable(request),
        description=f"{summary}\n{problem}" if problem else summary,
    )
    return ReviewRequest(
        action_requests=[action],
        review_configs=[ReviewConfig(action_name=tool.name, allowed_decisions=list(DECISIONS))],
    )


def _read_decision(given: object) -> Decision:
    """Return a decision whose values have their types.

    Raises:
        ActionError: it is none. The reviewer reads the message; the master never does.
    """
    wanted = f'Resume with {{"decisions": [{{"type": ...}}]}}; types are {", ".join(DECISIONS)}.'
    try:
        (decision,) = cast(Any, given)["decisions"]
        return _DECISION.validate_python(decision)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "decision"
        raise ActionError(f"`{place}`: {fault['msg']}. {wanted}") from None
    except (KeyError, TypeError, ValueError):
        raise ActionError(wanted) from None


async def _apply(
    decision: Decision, tool: AnyToolSpec, request: Request, opener: Opener, context: CVRContext
) -> Request | Observation:
    match decision["type"]:
        case "approve":
            return request
        case "edit":
            return await _edited(decision, tool, opener, context)
        case "reject":
            raise Refusal(f"A person refused this look. {decision.get('message') or ''}".strip())
        case "respond":
            return _response(tool, request, decision.get("message") or "")


async def _edited(decision: Decision, tool: AnyToolSpec, opener: Opener, context: CVRContext) -> Request:
    action = decision.get("edited_action") or {}
    if action.get("name", tool.name) != tool.name:
        raise ActionError(f"A request of {tool.name} cannot become one of another tool.")
    arguments = tool.read(cast(Mapping[str, object], action.get("args") or {}))
    # A reviewer may allow more than the remaining budget; its cost is still counted.
    request, _ = await opener.plan(lambda sources: tool.planned(arguments, sources, full_budget(context)))
    return request


def _response(tool: AnyToolSpec, request: Request, message: str) -> Observation:
    """Return the reviewer's words as evidence about the windows of the request."""
    if not message.strip():
        raise ActionError("A response needs a message: what is to be seen or heard there.")
    return Observation(
        modality=tool.modality,
        windows=request.windows,
        focus=request.focus,
        evidence=tuple(Evidence(text=message.strip(), window=window) for window in request.windows or (None,)),
        model=HUMAN,
    )
