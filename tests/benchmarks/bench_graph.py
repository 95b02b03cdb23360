"""Trajectories per second with an instant master and an instant perception, compared with a hand-written graph.

The hand-written graph has the same number of supersteps (a brief, six tool turns with one call each, an answer). Its
nodes have no validation, budgets, retries, typed observations or trajectories. Both graphs run alternately, several
times, in one process; the figure is the ratio of the medians.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.models.chat_base import ChatModelBase
from agentcvr_graph.testing import FakePerception, answer, listen, observe, turn
from tests.benchmarks.rows import Row, ratio

TURNS = 6
RUNS = 60
ROUNDS = 5
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


async def seconds(run: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that `RUNS` sequential runs take."""
    started = time.perf_counter()
    for _ in range(RUNS):
        await run()
    return time.perf_counter() - started


async def measure() -> list[Row]:
    """Measure both graphs alternately."""
    ours, theirs = create_cvr_graph(Instant(), FakePerception()).compile(), hand_written()
    context = CVRContext()

    async def run_ours() -> None:
        output = await ours.ainvoke(QUESTION, context=context)
        assert output["answer"].value == "A"

    async def run_theirs() -> None:
        await theirs.ainvoke({"question": "Which?", "messages": []})

    await run_ours()
    await run_theirs()
    pairs = [(await seconds(run_ours), await seconds(run_theirs)) for _ in range(ROUNDS)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [
        Row("graph: trajectories/s, 6 tool turns", f"{RUNS / mine:.0f}"),
        Row("hand-written loop: trajectories/s", f"{RUNS / other:.0f}"),
        ratio("graph against the hand-written loop", other / mine, 0.8),
    ]


def rows() -> list[Row]:
    """Return the rows, which are measured together."""
    return asyncio.run(measure())
