"""Run a compiled graph on one question and return its trajectory."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from agentcvr_graph.graph.builder import recursion_limit
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import CVRInput, CVROutput
from agentcvr_graph.trajectory import Trajectory, trajectory_of


async def ask(
    graph: CompiledCVRGraph,
    given: CVRInput,
    context: CVRContext | None = None,
    config: RunnableConfig | None = None,
) -> Trajectory:
    """Run the graph to its end, with a recursion limit that fits the turn budget of the context.

    Raises:
        InputError: the question, its options or its videos cannot be used.
        SetupError: a model, a package or a key is missing or wrong.
    """
    settings = context or CVRContext()
    limited: RunnableConfig = {**(config or {}), "recursion_limit": recursion_limit(settings)}
    run = cast(Any, graph)  # `ainvoke` is typed for every stream mode at once
    return trajectory_of(cast(CVROutput, await run.ainvoke(given, limited, context=settings)))
