"""A policy whose looks come from a plan, and whose answer comes from the model: the same reader for all baselines."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import write_calls
from agentcvr_graph.models.chat_base import ChatRequest
from agentcvr_graph.models.offline.master.reading import read
from agentcvr_training.baselines.plans import Plan
from agentcvr_training.rollout.policy import PolicyChatModel

TURNS = 2
"""The turn of the plan, and the turn that answers."""


class PlannedPolicy(PolicyChatModel):
    """A policy that looks once, by a plan, and then answers. The plan is written in the dialect of the run.

    Args:
        plan: where to look, see `plans.py`.
    """

    plan: Any

    async def _areply(self, request: ChatRequest) -> AIMessage:
        reading, plan = read(request.messages), cast(Plan, self.plan)
        calls = plan(reading) if reading.turn == 0 else []
        if not calls:
            return await super()._areply(request)
        if not request.tools:
            return write_calls(calls, "json")
        return AIMessage("", tool_calls=[{**call, "id": f"look_{n}"} for n, call in enumerate(calls)])


def planned_context(context: CVRContext) -> CVRContext:
    """Return the settings of a run with a plan: its second turn may only answer, whatever was looked at."""
    return context.model_copy(update={"max_turns": TURNS, "min_evidence": 0})
