"""`visual_agent` and `audio_agent`: carry one assignment out and tell the master what came of it.

Several assignments of one turn run side by side, one task each. A failure is this task's alone: it becomes an error
that the master reads, and its siblings go on.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies, context_of
from agentcvr_graph.graph.dialects import reply
from agentcvr_graph.graph.error_policy import error_for_master, without_keys_in_errors
from agentcvr_graph.graph.events import describe_request, report
from agentcvr_graph.graph.nodes.memory import keep
from agentcvr_graph.graph.nodes.review import Refusal, needs_review, review
from agentcvr_graph.graph.state import AgentInput, Assignment
from agentcvr_graph.render import error_text, observation_text
from agentcvr_graph.types import Observation, Observe


class Agent:
    """A node that runs the typed tools through the perception."""

    def __init__(self, binding: Dependencies, name: Literal["visual_agent", "audio_agent"]) -> None:
        self._binding = binding
        self._name: Literal["visual_agent", "audio_agent"] = name

    async def __call__(self, state: AgentInput, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """Carry the assignment out. What the perception raises goes to the node's retry policy."""
        assignment = state["assignment"]
        context = context_of(runtime)
        request = assignment.request
        if needs_review(request, context):
            try:
                request = review(assignment, state["sources"], context)
            except Refusal as refused:
                return {"messages": [reply(assignment.call, _with_budget(error_text(str(refused)), assignment))]}
        if isinstance(request, Observation):
            return await self._told(request, state, runtime)
        report(runtime, self._name, describe_request(request), assignment.turn, request.windows)
        tools = await self._binding.tools(context)
        with without_keys_in_errors():
            async with asyncio.timeout(self._binding.timeout_s):
                seen = await tools.run(request, state["sources"])
        return await self._told(seen, state, runtime)

    async def _told(self, seen: Observation, state: AgentInput, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        """What the master reads of an observation, and where it goes in the state and in the store."""
        assignment = state["assignment"]
        observation = seen.model_copy(
            update={
                "call_id": assignment.call.id,
                "turn": assignment.turn,
                "notes": (*seen.notes, *assignment.notes),
            }
        )
        if runtime.store is not None and context_of(runtime).remember:
            await keep(runtime.store, observation, state["sources"])
        text = _with_budget(observation_text(observation), assignment)
        return {
            "messages": [reply(assignment.call, text, observation)],
            "observations": [observation],
            "spent": observation.cost,
        }


async def agent_failed(state: AgentInput, error: NodeError) -> Command[Literal["master"]]:
    """The perception failed, also after retries: the master reads why, and what it may do instead.

    No edge leaves a node that failed, so the way on is told here.
    """
    assignment = state["assignment"]
    text = _with_budget(error_text(error_for_master(error.error)), assignment)
    return Command(update={"messages": [reply(assignment.call, text, failed_by="infrastructure")]}, goto="master")


def agent_of(assignment: Assignment) -> Literal["visual_agent", "audio_agent"]:
    """The agent that an assignment goes to."""
    return "visual_agent" if isinstance(assignment.request, Observe) else "audio_agent"


def observed_videos(observations: list[Observation]) -> list[int]:
    """The number of the video of every window observed, one entry a call and video."""
    return [number for seen in observations for number in {window.video for window in seen.windows}]


def _with_budget(text: str, assignment: Assignment) -> str:
    return f"{text}\n{assignment.left}" if assignment.left else text
