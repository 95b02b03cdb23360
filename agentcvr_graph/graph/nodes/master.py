"""`master`: one turn. Call the model, read what it wants to do, plan it within the budget.

Everything the master can do wrong is settled here, in the conversation: a turn without an action, an unknown tool, a
window that does not exist, a look beyond the budget. What is left are assignments that the agents can carry out as
they are, and at most one draft of an answer.

Where somebody has forked a run at a turn and edited the master's message, as LangGraph Studio lets a person do, that
message is the turn: it is played as it stands, and no model is called.
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

from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph import prompts
from agentcvr_graph.graph.budget import budget_left
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies, context_of
from agentcvr_graph.graph.dialects import for_model, read_calls, reply
from agentcvr_graph.graph.error_policy import error_for_master, without_keys_in_errors
from agentcvr_graph.graph.events import report
from agentcvr_graph.graph.sanitize import sanitize_message
from agentcvr_graph.graph.state import Assignment, Call, Clock, CVRState
from agentcvr_graph.render import ONLY_ANSWER, TOO_LATE, budget_text, error_text
from agentcvr_graph.tools import plan_request, read_arguments
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Cost, Failure, Observe, VideoInfo

MAX_COMPLAINTS = 2
"""Turns in a row without a usable action; one more ends the run as the master's failure."""


@dataclass
class Plan:
    """What one turn of the master comes to."""

    assignments: list[Assignment] = field(default_factory=list[Assignment])
    refusals: list[AnyMessage] = field(default_factory=list[AnyMessage])
    draft: Call | None = None

    @property
    def usable(self) -> bool:
        return bool(self.assignments) or self.draft is not None


class Master:
    """The node, over one binding."""

    def __init__(self, binding: Dependencies) -> None:
        self._binding = binding

    async def __call__(self, state: CVRState, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Take one turn. Whatever the model's interface raises goes to the node's retry policy."""
        context = context_of(runtime)
        spoken = last_spoken(state)
        if spoken is not None:
            return Opening.again(state, context).played(spoken, state, context) | {"spent": Cost()}
        opening = Opening.of(state, context)
        model, dialect = await self._binding.bound_master(context)
        report(runtime, "master", "thinks" if not opening.closing else "answers", opening.turn)
        with without_keys_in_errors():
            async with asyncio.timeout(self._binding.timeout_s):
                written = await model.ainvoke(for_model([*state["messages"], *opening.notice], dialect))
        return opening.played(sanitize_message(written), state, context)


@dataclass(frozen=True)
class Opening:
    """What stands at the start of a turn, before the master speaks."""

    turn: int
    """From 1."""
    budget: Budget
    notice: list[AnyMessage]
    """Where a budget has just run out: that only the answer is left."""
    closing: bool
    clock: Clock

    @classmethod
    def of(cls, state: CVRState, context: CVRContext) -> Opening:
        """The opening of the next turn."""
        clock = state["clock"].read()
        budget = budget_left(context, state["turn"], state["spent"], clock)
        notice = _closing_notice(state, budget)
        return cls(state["turn"] + 1, budget, notice, state["closing"] or bool(notice), clock)

    @classmethod
    def again(cls, state: CVRState, context: CVRContext) -> Opening:
        """The opening of the last turn, which is played once more."""
        before: CVRState = {**state, "turn": _turns(state) - 1}
        return replace(cls.of(before, context), notice=[])

    def played(self, message: AIMessage, state: CVRState, context: CVRContext) -> dict[str, Any]:
        """What the turn changes in the state, whoever wrote the message."""
        calls = read_calls(message, self.turn)
        if self.closing:
            plan = plan_closing(calls)
        else:
            budget = replace(self.budget, turns=self.budget.turns - 1)
            plan = plan_turn(calls, state["sources"], budget, context, self.turn)
        complaints = 0 if plan.usable else state["complaints"] + 1
        return {
            "messages": [*self.notice, message, *plan.refusals],
            "turn": self.turn,
            "closing": self.closing,
            "complaints": complaints,
            "assignments": plan.assignments,
            "draft": plan.draft,
            "spent": cost_of(message),
            "clock": self.clock,
            "failure": _gave_up(complaints, self.closing),
        }


def last_spoken(state: CVRState) -> AIMessage | None:
    """The last message, where it is the master's and nothing has come back for it yet."""
    message = state["messages"][-1]
    return message if isinstance(message, AIMessage) else None


def was_edited(state: CVRState) -> bool:
    """Whether the master's last message no longer says what the state holds of it."""
    spoken = last_spoken(state)
    if spoken is None:
        return False
    said = read_calls(spoken, state["turn"])
    held = [assignment.call for assignment in state["assignments"]]
    held += [state["draft"]] if state["draft"] is not None else []
    return any(call not in said for call in held)


def _turns(state: CVRState) -> int:
    """Turns of the master in this question, told by its messages: in a fork, the state's count may be of before it."""
    return sum(isinstance(message, AIMessage) for message in prompts.since_brief(state["messages"]))


async def master_failed(state: CVRState, error: NodeError) -> Command[Literal["conclude"]]:
    """The master's model failed, also after retries: nobody's wrong answer, but the world's failure."""
    message = f"The master's model failed: {error_for_master(error.error)}"
    failure = Failure(boundary="infrastructure", message=message)
    return Command(update={"failure": failure, "draft": None, "assignments": []}, goto="conclude")


def plan_turn(
    calls: Sequence[Call], sources: Sequence[VideoInfo], budget: Budget, context: CVRContext, turn: int
) -> Plan:
    """Sort the calls of a turn into assignments, refusals and a draft; the budget is spent in call order."""
    plan = Plan(draft=_first_answer(calls))
    if plan.draft is not None:
        plan.refusals = [reply(call, prompts.SKIPPED) for call in calls if call is not plan.draft]
        return plan
    for call in calls:
        try:
            assignment = _assign(call, sources, budget, context, turn)
        except ActionError as error:
            plan.refusals.append(reply(call, error_text(str(error))))
        else:
            plan.assignments.append(assignment)
            budget = _minus(budget, assignment)
    if not calls:
        plan.refusals = [HumanMessage(prompts.NO_ACTION)]
    if plan.assignments:
        last = plan.assignments[-1]
        plan.assignments[-1] = last.model_copy(update={"left": budget_text(budget.shown())})
    return plan


def plan_closing(calls: Sequence[Call]) -> Plan:
    """The plan of the last turn, in which only an answer counts."""
    draft = _first_answer(calls)
    others = [call for call in calls if call is not draft]
    refused = prompts.SKIPPED if draft else error_text(TOO_LATE)
    refusals = [reply(call, refused) for call in others] if calls else [HumanMessage(TOO_LATE)]
    return Plan(refusals=list(refusals), draft=draft)


def cost_of(message: AIMessage) -> Cost:
    """Tokens of one call of the master."""
    usage = message.usage_metadata
    if usage is None:
        return Cost(model_calls=1)
    return Cost(input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"], model_calls=1)


def _closing_notice(state: CVRState, budget: Budget) -> list[AnyMessage]:
    run_out = budget.run_out
    if state["closing"] or not run_out:
        return []
    return [HumanMessage(ONLY_ANSWER.format(budget=run_out))]


def _gave_up(complaints: int, closing: bool) -> Failure | None:
    # In the last turn there is one more chance; before it, as many as a person would give.
    allowed = 1 if closing else MAX_COMPLAINTS
    if complaints <= allowed:
        return None
    message = f"The master gave no usable action in {complaints} turns in a row."
    return Failure(boundary="master", message=message, out_of_budget=closing)


def _first_answer(calls: Sequence[Call]) -> Call | None:
    return next((call for call in calls if call.tool == "answer"), None)


def _assign(call: Call, sources: Sequence[VideoInfo], budget: Budget, context: CVRContext, turn: int) -> Assignment:
    if call.problem:
        raise ActionError(call.problem)
    arguments = read_arguments(call.tool, call.arguments)
    request, notes = plan_request(arguments, sources, budget, context.max_frames_per_call)
    return Assignment(call=call, request=request, notes=notes, turn=turn)


def _minus(budget: Budget, assignment: Assignment) -> Budget:
    request = assignment.request
    if isinstance(request, Observe):
        return budget.minus(frames=request.frames)
    return budget.minus(audio_s=request.window.duration_s)
