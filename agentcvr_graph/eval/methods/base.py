"""The contract of a method: it answers a question over videos and returns a trajectory.

Reports, scores and costs are read from trajectories. A method with a single model call therefore records it as one
turn, and a new method needs nothing else to be compared with the others.
"""

from __future__ import annotations

from typing import Protocol

from agentcvr_graph.graph.builder import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Question


class Method(Protocol):
    """A way to answer questions."""

    async def ask(self, question: Question) -> Trajectory:
        """Answer one question. Calls may run concurrently.

        Raises:
            InputError: the question or its videos cannot be used.
            InfrastructureError: a model or its server failed; a graph writes that into its trajectory instead.
            SetupError: no question can be answered (a wrong key, a missing package).
        """
        ...


class GraphMethod:
    """A compiled graph with its settings."""

    def __init__(self, graph: CompiledCVRGraph, context: CVRContext) -> None:
        self._graph, self._context = graph, context

    async def ask(self, question: Question) -> Trajectory:
        """Run the graph."""
        return await ask(self._graph, as_input(question), self._context)
