"""`master`: take one turn. Call the model, read its actions, plan them within the budget.

Invalid turns are handled here, by a reply to the master: no action, an unknown tool, a window that does not exist, a
request beyond the budget. The result is a list of assignments that the agents can carry out unchanged, and at most one
draft of an answer.

If a run was forked at a turn and the master's message was edited, as LangGraph Studio allows, the edited message is the
turn: it is planned as it is, and no model is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentcvr_graph.catalogue import Sources
from agentcvr_graph.errors import ActionError, CVRError, InfrastructureError
from agentcvr_graph.graph import looks, prompts
from agentcvr_graph.graph.action_schema import TurnBounds
from agentcvr_graph.graph.arrival import tidy
from agentcvr_graph.graph.budget import RAISE_LIMIT, STEPS_PER_TURN, Reserve, budget_left, remaining_steps, withheld_of
from agentcvr_graph.graph.catalogues import count_of
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.dialects import calls_of_turn, reply, words_of
from agentcvr_graph.graph.error_policy import error_for_master, named, without_keys_in_errors
from agentcvr_graph.graph.events import failures_reported
from agentcvr_graph.graph.master_call import call_master
from agentcvr_graph.graph.nodes.conclude import MOST_SEEN, may_answer
from agentcvr_graph.graph.opening import Opener
from agentcvr_graph.graph.policy_messages import policy_messages, policy_records
from agentcvr_graph.graph.state import Assignment, Call, CVRState, Work
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.render import ONLY_ANSWER, TOO_LATE, budget_text, error_text, one_line
from agentcvr_graph.tools import Budget, Toolset
from agentcvr_graph.types import Cost, Failure, VideoInfo

LATE = (
    "It did not answer in time. The limit of one attempt is the argument `timeout_s` of `create_cvr_graph`, "
    "unless the model's own client has a shorter one."
)
MAX_QUOTED = 200
"""Characters of the last turn in the error of a run that it ended."""
MAX_COMPLAINTS = 2
"""Turns in a row that may be without a usable action; one more ends the run as the master's failure."""


@dataclass
class Plan:
    """The outcome of one turn of the master."""

    assignments: list[Assignment] = field(default_factory=list[Assignment])
    refusals: list[AnyMessage] = field(default_factory=list[AnyMessage])
    draft: Call | None = None
    stopped: bool = False
    """Whether the infrastructure, or a bug of a tool, stopped a call, which is no mistake of the master."""

    @property
    def usable(self) -> bool:
        return bool(self.assignments) or self.draft is not None or self.stopped


class Master:
    """The node `master`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def __call__(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Take one turn. The node's retry policy handles what the model's client raises."""
        update = await self._turn(state, runtime)
        return update | {"clock": Work.of(runtime)}

    async def _turn(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        context = self._dependencies.context_of(runtime, state.get("settings") or {})
        tools, settings = self._dependencies.tools, {"settings": context.sent}
        edited, reserve = pending_message(state), self._dependencies.reserve(context)
        opener = Opener.of(self._dependencies, context, state, runtime)
        if edited is not None:
            update = await TurnStart.again(state, context, reserve).update(edited, state, tools, opener)
            return update | {"spent": Cost(), **settings}
        start = TurnStart.of(state, context, reserve)
        model = await self._dependencies.chosen_master(context)
        bounds = TurnBounds(
            state["checked_question"],
            opener.sources,
            closing=start.closing,
            may_answer=may_answer(state, context.min_evidence),
            must_cite=bool(context.min_evidence) and count_of(state) > MOST_SEEN,
            observed=state["observations"],
        )
        what, shown = f"turn {start.turn} of the master", "answering" if start.closing else "thinking"
        attempt = looks.Attempt(runtime, "master", what, start.turn, started_as=shown)
        with looks.reported(attempt, self._dependencies.retry, ends=False), without_keys_in_errors():
            async with asyncio.timeout(self._dependencies.timeout_s):
                messages = [*start.thread, *start.notice]
                said = await call_master(model, context.dialect, messages, tools, bounds)
        return await start.update(said.message, state, tools, opener) | {"spent": said.cost, **settings}


@dataclass(frozen=True)
class TurnStart:
    """The state of a run before the master acts in a turn."""

    turn: int
    """From 1."""
    budget: Budget
    notice: list[AnyMessage]
    """The message that only an answer is allowed, if a budget has just run out; else empty."""
    closing: bool
    thread: Sequence[AnyMessage]
    """The conversation until then."""

    @classmethod
    def of(cls, state: CVRState, context: CVRContext, reserve: Reserve) -> TurnStart:
        """Return the start of the next turn."""
        steps = remaining_steps(state)
        elapsed_s, withheld = state["clock"].elapsed_s, withheld_of(state, reserve)
        budget = budget_left(context, state["turn"], state["spent"], elapsed_s, steps, withheld)
        notice = _closing_notice(state, budget)
        closing = state["closing"] or bool(notice)
        return cls(state["turn"] + 1, budget, notice, closing, policy_messages(state))

    @classmethod
    def again(cls, state: CVRState, context: CVRContext, reserve: Reserve) -> TurnStart:
        """Return the start of the last turn, which is taken again with an edited message."""
        before: CVRState = {**state, "turn": _count_turns(state) - 1}
        return replace(cls.of(before, context, reserve), notice=[])

    async def update(self, message: AIMessage, state: CVRState, tools: Toolset, opener: Opener) -> dict[str, Any]:
        """Return the state update of a turn with this message, whether a model or a client wrote it."""
        message = tidy(message, self.thread, closing=self.closing)
        calls = calls_of_turn(message, self.turn, self.thread)
        if self.closing:
            plan = plan_closing(calls, tools)
        else:
            budget = replace(self.budget, turns=self.budget.turns - 1)
            plan = await opener.plan(lambda sources: plan_turn(calls, sources, budget, tools, self.turn))
        complaints = 0 if plan.usable else state["complaints"] + 1
        return {
            "policy_messages": policy_records(*self.notice, message, *plan.refusals),
            "turn": self.turn,
            "closing": self.closing,
            "complaints": complaints,
            "assignments": plan.assignments,
            "draft": plan.draft,
            "failure": _gave_up(complaints, self.closing, remaining_steps(state) - 1, message),
            **opener.update,
        }


def pending_message(state: CVRState) -> AIMessage | None:
    """Return the last message if it is the master's and has no reply yet, else None."""
    message = state["policy_messages"][-1].root
    return message if isinstance(message, AIMessage) else None


def was_edited(state: CVRState) -> bool:
    """Return whether the master's last message no longer contains the calls that the state holds from it."""
    pending = pending_message(state)
    if pending is None:
        return False
    written = calls_of_turn(pending, state["turn"], policy_messages(state))
    held = [assignment.call for assignment in state["assignments"]]
    held += [state["draft"]] if state["draft"] is not None else []
    return any(call not in written for call in held)


def _count_turns(state: CVRState) -> int:
    """Return the number of the master's messages in this question; in a fork, `state["turn"]` may be outdated."""
    return sum(isinstance(message, AIMessage) for message in prompts.since_brief(policy_messages(state)))


async def master_failed(
    state: CVRState, error: NodeError, runtime: Runtime[CVRContext]
) -> Command[Literal["conclude"]]:
    """End the run as an infrastructure failure: the master's model failed, also after retries.

    Raises:
        SetupError, BugError: as `error_for_master`.
    """
    with failures_reported(runtime, "master", state["turn"] + 1):
        late = isinstance(error.error, TimeoutError)
        message = f"The master's model failed: {LATE if late else error_for_master(error.error)}"
    failure = Failure(boundary="infrastructure", message=message)
    return Command(update={"failure": failure, "draft": None, "assignments": []}, goto="conclude")


def plan_turn(calls: Sequence[Call], sources: Sequence[VideoInfo], budget: Budget, tools: Toolset, turn: int) -> Plan:
    """Sort the calls of a turn into assignments, refusals and a draft; the budget is spent in call order."""
    plan = Plan(draft=_answer_among(calls, tools))
    if plan.draft is not None:
        plan.refusals = [reply(call, prompts.SKIPPED) for call in calls if call is not plan.draft]
        return plan
    for call in calls:
        try:
            assignment, cost = _assign(call, sources, budget, tools, turn)
        except ActionError as error:
            plan.refusals.append(reply(call, error_text(str(error))))
        except InfrastructureError as error:  # a video that it names cannot be opened, or its tool has a bug
            plan.refusals.append(reply(call, error_text(str(error)), failed_by="infrastructure"))
            plan.stopped = True
        else:
            plan.assignments.append(assignment)
            budget = budget.minus(cost)
    if not calls:
        plan.refusals = [HumanMessage(prompts.no_action(tools))]
    if plan.assignments:
        last = plan.assignments[-1]
        plan.assignments[-1] = last.model_copy(update={"left": budget_text(budget.shown())})
    return plan


def plan_closing(calls: Sequence[Call], tools: Toolset) -> Plan:
    """Return the plan of a closing turn, in which only an answer is allowed."""
    draft = _answer_among(calls, tools)
    others = [call for call in calls if call is not draft]
    refused = prompts.SKIPPED if draft else error_text(TOO_LATE)
    refusals = [reply(call, refused) for call in others] if calls else [HumanMessage(TOO_LATE)]
    return Plan(refusals=list(refusals), draft=draft)


def _closing_notice(state: CVRState, budget: Budget) -> list[AnyMessage]:
    run_out = budget.run_out
    if state["closing"] or not run_out:
        return []
    return [HumanMessage(ONLY_ANSWER.format(budget=run_out))]


def _gave_up(complaints: int, closing: bool, steps: int, last: AIMessage) -> Failure | None:
    # A closing turn may be repeated once, if the recursion limit leaves the steps for it; earlier, MAX_COMPLAINTS turns
    # in a row may be without a usable action.
    allowed = (1 if steps >= STEPS_PER_TURN else 0) if closing else MAX_COMPLAINTS
    if complaints <= allowed:
        return None
    turns = "1 turn" if complaints == 1 else f"{complaints} turns in a row"
    message = f"The master gave no usable action in {turns}. {_last_words(last)}"
    if steps < STEPS_PER_TURN:
        message += RAISE_LIMIT
    return Failure(boundary="master", message=message, out_of_budget=closing)


def _last_words(message: AIMessage) -> str:
    """Return the sentence that quotes the end of a run's last turn, shortened."""
    words = one_line(without_keys(words_of(message)))
    if not words:
        return "Its last turn was empty."
    shown = words if len(words) <= MAX_QUOTED else f"{words[:MAX_QUOTED].rstrip()}..."
    return f'Its last turn was: "{shown}"'


def _answer_among(calls: Sequence[Call], tools: Toolset) -> Call | None:
    """Return the answer of a turn: the first native call, or the last of a text, which may correct itself."""
    answers = [call for call in calls if tools.ends(call.tool)]
    return next((call for call in answers if call.native), answers[-1] if answers else None)


def _assign(
    call: Call, sources: Sequence[VideoInfo], budget: Budget, tools: Toolset, turn: int
) -> tuple[Assignment, Cost]:
    if call.problem:
        raise ActionError(call.problem)
    tool = tools.spec(call.tool)
    arguments, ignored = tools.read_noting(call.tool, call.arguments)
    if tool.reaches_all and isinstance(sources, Sources):
        sources.require_references()
    try:
        request, notes = tool.planned(arguments, sources, budget)
        cost = tool.cost(request)
    except CVRError:
        raise
    except Exception as error:  # a bug of the tool, not of the model that called it
        raise InfrastructureError(error_for_master(error, named(tool.name))) from error
    numbers = None if tool.reaches_all else tuple(dict.fromkeys(window.video for window in request.windows))
    assignment = Assignment(
        call=call,
        node=tool.node,
        request=tool.dump(request),
        notes=(*notes, *ignored),
        videos=numbers,
        turn=turn,
    )
    return assignment, cost
