"""`visual_agent`, `audio_agent` and the nodes of other tools: carry out one assignment and reply to the master.

Several assignments of one turn run in parallel, one task each. A failure is isolated: it becomes an error that the
master reads, and the other tasks continue. The tool's specification knows how to run, price and render a request.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentcvr_graph.graph import looks
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.dialects import reply
from agentcvr_graph.graph.error_policy import error_for_master, named, without_keys_in_errors
from agentcvr_graph.graph.events import failure_kind, failures_reported, report
from agentcvr_graph.graph.nodes.memory import index_namespace, memory_of
from agentcvr_graph.graph.nodes.review import Refusal, needs_review, review
from agentcvr_graph.graph.opening import Opener
from agentcvr_graph.graph.policy_messages import policy_records
from agentcvr_graph.graph.state import AgentInput, Assignment, Work, agent_input
from agentcvr_graph.index.places import searching_in
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import error_text
from agentcvr_graph.tools.spec import AnyToolSpec
from agentcvr_graph.types import Observation, Request

WORK = "agentcvr_work"
"""Attribute of an error that ended an attempt: the node's times until then."""


class Agent:
    """A node that carries out the requests of the tools that name it."""

    def __init__(self, dependencies: Dependencies, name: str) -> None:
        self._dependencies = dependencies
        self._name = name

    async def __call__(self, state: AgentInput, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Carry out the assignment. The node's retry policy handles what the perception raises."""
        try:
            return await self._carry_out(agent_input(state), runtime) | {"clock": Work.of(runtime)}
        except Exception as error:
            vars(error)[WORK] = Work.of(runtime)  # the error handler has no access to this node's times
            raise

    async def _carry_out(self, given: AgentInput, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        assignment = given["assignment"]
        context = self._dependencies.context_of(runtime, given.get("settings", {}))
        tool = self._dependencies.tools.spec(assignment.call.tool)
        request: Request | Observation = tool.load(assignment.request)
        opener = Opener.sent(self._dependencies, context, given)
        if needs_review(tool.cost(request), context):
            try:
                request = await review(assignment, tool, opener, context)
            except Refusal as refused:
                text = _with_budget(error_text(str(refused)), assignment)
                return {"policy_messages": policy_records(reply(assignment.call, text))}
        if isinstance(request, Observation):
            return await self._record(request, tool, given, context, runtime) | opener.update
        what, windows = tool.describe(request), request.windows
        attempt = looks.Attempt(runtime, self._name, what, assignment.turn, windows, assignment.call.id)
        perception = await self._dependencies.chosen_perception(context)
        place = searching_in(index_namespace(runtime, context), runtime.store)
        with place, looks.reported(attempt, self._dependencies.retry):
            observation = await perceive(request, tool, perception, opener, self._dependencies.timeout_s)
        return await self._record(observation, tool, given, context, runtime) | opener.update

    async def _record(
        self,
        observed: Observation,
        tool: AnyToolSpec,
        given: AgentInput,
        context: CVRContext,
        runtime: Runtime[CVRContext],
    ) -> dict[str, Any]:
        """Return the state update of an observation; with `remember`, also put it into the store."""
        assignment = given["assignment"]
        observation = observed.model_copy(
            update={
                "call_id": assignment.call.id,
                "turn": assignment.turn,
                "notes": (*observed.notes, *assignment.notes),
            }
        )
        if (memory := memory_of(runtime, context)) is not None:
            await memory.keep(observation, given["sources"])
        text = _with_budget(tool.render(observation), assignment)
        return {
            "policy_messages": policy_records(reply(assignment.call, text, observation)),
            "observations": [observation],
            "spent": observation.cost,
        }

    async def failed(
        self, state: AgentInput, error: NodeError, runtime: Runtime[CVRContext]
    ) -> Command[Literal["master"]]:
        """Reply to the master with the error that remained after all retries.

        A node that failed has no outgoing edge, so the command names the next node.
        """
        assignment = agent_input(state)["assignment"]
        work = vars(error.error).get(WORK)
        with failures_reported(runtime, assignment.node, assignment.turn, call=assignment.call.id):
            cause = error_for_master(error.error, named(assignment.call.tool))
        self._report_failure(assignment, error.error, cause, work, runtime)
        text = _with_budget(error_text(cause), assignment)
        modality = self._dependencies.tools.spec(assignment.call.tool).modality
        update = {
            "policy_messages": policy_records(
                reply(assignment.call, text, failed_by="infrastructure", modality=modality)
            ),
            **({"clock": work} if isinstance(work, Work) else {}),
        }
        return Command(update=update, goto="master")

    def _report_failure(
        self, assignment: Assignment, error: BaseException, cause: str, work: Work | None, runtime: Runtime[CVRContext]
    ) -> None:
        tool = self._dependencies.tools.spec(assignment.call.tool)
        request = tool.load(assignment.request)
        what = tool.describe(request)
        looks.gave_up(what, cause)
        report(
            runtime,
            assignment.node,
            f"{what}: failed: {cause}",
            assignment.turn,
            event="failure",
            windows=request.windows,
            call=assignment.call.id,
            duration_s=work.end_s - work.start_s if work else None,
            failure=failure_kind(error),
        )


async def perceive(
    request: Request, tool: AnyToolSpec, perception: Perception, opener: Opener, timeout_s: float | None
) -> Observation:
    """Carry out a request within its time; no error of it contains a key."""
    with without_keys_in_errors():
        async with asyncio.timeout(timeout_s):
            sources = await opener.with_references(perception) if tool.reaches_all else opener.sources
            return await tool.run(request, perception, sources)


def observed_videos(observations: list[Observation]) -> list[int]:
    """Return the numbers of the observed videos, one entry for each call and video."""
    return [number for observation in observations for number in {window.video for window in observation.windows}]


def _with_budget(text: str, assignment: Assignment) -> str:
    return f"{text}\n{assignment.left}" if assignment.left else text
