"""Trajectories per second with an instant master and an instant perception, compared with a hand-written graph.

The hand-written graph has the same number of supersteps (a brief, six tool turns with one call each, an answer). Its
nodes have no validation, budgets, retries, typed observations or trajectories. Both graphs only compute, so they are
compared in processor time, in short alternating pairs (`pairs.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import median
from typing import Annotated

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.models.chat_base import ChatModelBase
from agentcvr_graph.testing import FakePerception, answer, listen, observe, turn
from tests.benchmarks.pairs import alternately
from tests.benchmarks.rows import Row

TURNS = 6
RUNS, PAIRS = 4, 40
"""Runs in one half of a pair, and pairs."""
QUESTION = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
LOOKS = [
    turn("look", observe((1, 0, 9, 2), (2, 0, 9, 2), id=f"c{n}") if n % 2 == 0 else listen(1, 0, 5, id=f"c{n}"))
    for n in range(TURNS)
]
SCRIPT = [*LOOKS, turn("sure", answer("A"))]


class Instant(ChatModelBase):
    """A master that picks its turn by the number of AI messages so far. It has no state, so runs may overlap."""

    def bind_tools(self, tools, **kwargs):
        return self

    async def _areply(self, request) -> AIMessage:
        done = sum(isinstance(message, AIMessage) for message in request.messages)
        return SCRIPT[done].model_copy()


class HandState(TypedDict):
    question: str
    messages: Annotated[list, add_messages]


def hand_written():
    """Build the hand-written graph."""
    master = Instant()

    async def brief(state: HandState):
        return {"messages": [HumanMessage(state["question"])]}

    async def act(state: HandState):
        return {"messages": [await master.ainvoke(state["messages"])]}

    async def tools(state: HandState):
        calls = state["messages"][-1].tool_calls
        return {"messages": [ToolMessage("a red ball", tool_call_id=call["id"]) for call in calls]}

    async def conclude(state: HandState):
        return {}

    def route(state: HandState) -> str:
        return "conclude" if state["messages"][-1].tool_calls[0]["name"] == "answer" else "tools"

    graph = StateGraph(HandState)
    graph.add_node("brief", brief)
    graph.add_node("master", act)
    graph.add_node("tools", tools)
    graph.add_node("conclude", conclude)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "master")
    graph.add_conditional_edges("master", route, ["tools", "conclude"])
    graph.add_edge("tools", "master")
    graph.add_edge("conclude", END)
    return graph.compile()


def rows() -> Iterator[Row]:
    """Yield the rows, which are measured together."""
    ours, theirs = create_cvr_graph(Instant(), FakePerception()).compile(), hand_written()
    context = CVRContext()

    async def run_ours() -> None:
        for _ in range(RUNS):
            output = await ours.ainvoke(QUESTION, context=context)
            assert output["answer"].value == "A"

    async def run_theirs() -> None:
        for _ in range(RUNS):
            await theirs.ainvoke({"question": "Which?", "messages": []})

    with asyncio.Runner() as runner:
        measured = alternately(lambda: runner.run(run_ours()), lambda: runner.run(run_theirs()), PAIRS)
    yield Row("graph: trajectories per second of processor time, 6 tool turns", f"{RUNS / median(measured.ours_s):.0f}")
    yield Row("hand-written loop: trajectories per second", f"{RUNS / median(measured.other_s):.0f}")
    yield measured.row("graph against the hand-written loop", 0.85)
