"""Run a compiled graph on one question and return its trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.graph.builder import recursion_limit
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.remote import errors_of, run_remote, thread_of_call
from agentcvr_graph.graph.state import ChatInput, CVRInput
from agentcvr_graph.trajectory import Trajectory, trajectory_of

if TYPE_CHECKING:
    from langgraph.pregel.remote import RemoteGraph


async def ask(
    graph: CompiledCVRGraph | RemoteGraph,
    given: CVRInput | ChatInput,
    context: CVRContext | None = None,
    config: RunnableConfig | None = None,
) -> Trajectory:
    """Run the graph to its end, as `run` does, and return the trajectory.

    Raises:
        InfrastructureError: the server failed, or the run failed or was stopped on it.
        InputError: the question, its options or its videos cannot be used.
        SetupError: a model, a package or a key is missing or wrong.
    """
    output = await run(graph, given, context, config)
    if isinstance(graph, CompiledCVRGraph):
        return trajectory_of(output)
    with errors_of(graph):
        return trajectory_of(output)


async def run(
    graph: CompiledCVRGraph | RemoteGraph,
    given: CVRInput | ChatInput,
    context: CVRContext | None = None,
    config: RunnableConfig | None = None,
) -> Mapping[str, Any]:
    """Run the graph to its end, with a recursion limit that fits the turn budget of the context.

    A server's graph runs on a thread of its own, and gets only the settings that were set.

    Returns:
        The output: typed values, or those of a server as JSON.

    Raises:
        InfrastructureError, InputError, SetupError: as `ask`.
    """
    settings = context or CVRContext()
    limited: RunnableConfig = {**(config or {}), "recursion_limit": recursion_limit(settings)}
    if isinstance(graph, CompiledCVRGraph):
        return cast(Mapping[str, Any], await graph.ainvoke(given, limited, context=settings))
    output = await run_remote(graph, given, thread_of_call(limited, given), settings)
    if output["answer"] is None and output["failure"] is None:
        raise InfrastructureError("The run was stopped on the server before it ended.")
    return output
