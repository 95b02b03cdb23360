"""The graph with a short output, for callers that read a whole output as text, such as a LangGraph server's own `/mcp`.

It has one node, which runs the full graph as its child: progress, cancellation and the checkpointer of the caller reach
it. A server's `/mcp` shows the caller no more than the class of an error, so errors that the caller or the owner of the
server can fix are part of the output.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agentcvr_graph.errors import InfrastructureError, InputError, SetupError
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.short_answer import ShortAnswer, failed_answer, short_answer, wrong_input
from agentcvr_graph.types import AnswerValue


class ShortOutput(TypedDict):
    """The fields of `ShortAnswer`, as JSON."""

    status: str
    answer: str
    value: AnswerValue | None
    why: str
    evidence: list[dict[str, Any]]
    notes: list[str]
    problem: str


class ShortState(CVRInput, ShortOutput):
    """Input and output."""


def create_short_graph(graph: CompiledCVRGraph, context_schema: type[CVRContext]) -> Any:
    """Return a `StateGraph` that asks `graph` and keeps the fields of `ShortAnswer`."""

    async def ask_videos(state: CVRInput, config: RunnableConfig, runtime: Runtime[CVRContext]) -> dict[str, Any]:
        answer = await _short(graph, state, runtime.context, config)
        return answer.model_dump(mode="json")

    short: Any = StateGraph(ShortState, context_schema, input_schema=CVRInput, output_schema=ShortOutput)
    short.add_node("ask_videos", ask_videos)
    short.add_edge(START, "ask_videos")
    short.add_edge("ask_videos", END)
    return short


async def _short(
    graph: CompiledCVRGraph, state: CVRInput, context: CVRContext | None, config: RunnableConfig
) -> ShortAnswer:
    sent = cast(dict[str, Any], state)
    given = cast(CVRInput, {name: sent[name] for name in CVRInput.__annotations__ if name in sent})
    try:
        return short_answer(await ask(graph, given, context, config))
    except (InfrastructureError, SetupError) as error:
        return failed_answer(str(error))
    except InputError as error:
        return wrong_input(str(error))
