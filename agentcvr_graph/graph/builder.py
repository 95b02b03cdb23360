"""The graph: its nodes and edges. `nodes/` holds what each node does.

    START -> brief -> master -> (visual_agent | audio_agent, fanned out with Send) -> master -> ... -> conclude -> END

One builder serves live and swap mode: `create_cvr_graph(master, LivePerception(...))` observes real video,
`create_cvr_graph(policy, ScriptedPerception(...))` reads scripts. It returns the builder uncompiled, so that the caller
can add a checkpointer, a store and a cache, or use it in another graph. All nodes are async: use `ainvoke`, `astream`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast, overload

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.graph import Graph
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Durability, RetryPolicy, Send

from agentcvr_graph.graph.context import CVRContext, check_schema
from agentcvr_graph.graph.dependencies import ChooseMaster, ChoosePerception, Dependencies
from agentcvr_graph.graph.nodes.agents import Agent, agent_failed
from agentcvr_graph.graph.nodes.brief import Brief
from agentcvr_graph.graph.nodes.conclude import Conclude
from agentcvr_graph.graph.nodes.master import Master, master_failed, was_edited
from agentcvr_graph.graph.state import AgentInput, CVRInput, CVROutput, CVRState, OutputChannels
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import TOOLS, Toolset
from agentcvr_graph.tools.spec import AnyTool

RETRY = RetryPolicy(max_attempts=3, initial_interval=0.5, backoff_factor=2.0, retry_on=is_transient)
"""Retry twice after a transient failure: after half a second, then after another second."""
TIMEOUT_S = 300.0
"""Longest single attempt of a model call or an observation, in seconds."""
RECURSION_PER_TURN = 4
"""Supersteps that a turn may take; more than any turn needs."""
DESCRIPTIONS = {
    "brief": "Checks the question, opens the videos, writes the first messages.",
    "master": "Takes one turn: where to look, where to listen, or the answer.",
    "visual_agent": "Observes frames of windows and reports what they show.",
    "audio_agent": "Listens to a window and reports what is said and heard.",
    "conclude": "Accepts the answer, or sends it back.",
}
"""Description of each node in a drawing."""


class CompiledCVRGraph(CompiledStateGraph[CVRState, CVRContext, CVRInput, OutputChannels]):
    """The compiled graph. Its drawing has a description for every node and no error handlers.

    No edge leads to the error handlers. LangGraph expands a subgraph in a parent's drawing only if it finds one first
    and one last node, so unconnected nodes would prevent that.
    """

    if TYPE_CHECKING:  # LangGraph types the output of every stream mode at once, as `dict[str, Any] | Any`

        @overload
        async def ainvoke(  # pyright: ignore[reportIncompatibleMethodOverride]
            self,
            input: CVRInput | Command[Any] | None,
            config: RunnableConfig | None = None,
            *,
            context: CVRContext | None = None,
            durability: Durability | None = None,
        ) -> CVROutput: ...

        @overload
        async def ainvoke(
            self,
            input: CVRInput | Command[Any] | None,
            config: RunnableConfig | None = None,
            *,
            context: CVRContext | None = None,
            **kwargs: Any,
        ) -> Any: ...

        async def ainvoke(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, input: CVRInput | Command[Any] | None, config: RunnableConfig | None = None, **kwargs: Any
        ) -> Any: ...

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Return the drawing; arguments as in `Pregel.get_graph`."""
        return self._for_display(super().get_graph(config, xray=xray))

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Return the drawing; arguments as in `Pregel.aget_graph`."""
        return self._for_display(await super().aget_graph(config, xray=xray))

    def _for_display(self, drawn: Graph) -> Graph:
        for handler in self.node_error_handler_map.values():
            drawn.remove_node(drawn.nodes[handler])
        for name, node in drawn.nodes.items():
            if name in DESCRIPTIONS:
                metadata = {"description": DESCRIPTIONS[name], **(node.metadata or {})}
                drawn.nodes[name] = node._replace(metadata=metadata)
        return drawn


class CVRGraph(StateGraph[CVRState, CVRContext, CVRInput, OutputChannels]):
    """A `StateGraph` that compiles to a `CompiledCVRGraph` under its own name."""

    name: str = "agentcvr"
    tools: Toolset = TOOLS

    def compile(
        self, checkpointer: BaseCheckpointSaver[Any] | bool | None = None, *, name: str | None = None, **kwargs: Any
    ) -> CompiledCVRGraph:
        """Compile as `StateGraph.compile` does; `name` defaults to the one given to `create_cvr_graph`."""
        compile_graph = cast("Callable[..., Any]", super().compile)  # pyright: ignore[reportUnknownMemberType]
        compiled: Any = compile_graph(checkpointer, name=name or self.name, **kwargs)
        compiled.__class__ = CompiledCVRGraph  # LangGraph has no option for the compiled class
        return compiled

    def add(self, name: str, node: Callable[..., Awaitable[Any]], **options: Any) -> None:
        """Add a node. LangGraph's own signature is partly untyped and lacks an error handler that takes the error."""
        cast(Any, self).add_node(name, node, **options)


def create_cvr_graph(
    master: BaseChatModel | ChooseMaster,
    perception: Perception | ChoosePerception,
    *,
    tools: Iterable[AnyTool] = TOOLS,
    context_schema: type[CVRContext] = CVRContext,
    name: str = "agentcvr",
    retry: RetryPolicy = RETRY,
    timeout_s: float | None = TIMEOUT_S,
) -> CVRGraph:
    """Build the graph that answers a question about several videos.

    Args:
        master: the chat model that decides where to look and listen, or a function that returns it for a run's context.
        perception: such as `LivePerception` for real video, or a function that returns one for a run's context.
        tools: what the master may call; `[*TOOLS, MY_TOOL]` adds one to the tools of the library.
        context_schema: `CVRContext`, or a subclass with settings that the two functions read.
        name: the name of the compiled graph, as a parent graph or a server shows it.
        retry: the retry policy for failed calls of a model or a perception.
        timeout_s: the longest single attempt of such a call, in seconds; None for no limit.

    Returns:
        The builder, uncompiled. Input `CVRInput`, output `CVROutput`, context `CVRContext`.

    Examples:
        >>> graph = create_cvr_graph(master, perception).compile()
        >>> result = await graph.ainvoke(
        ...     {"question": "Which cook adds salt first?", "videos": ["a.mp4", "b.mp4"], "options": ["1", "2"]}
        ... )
        >>> result["answer"].value
        'B'
    """
    # LangGraph's node timeout adds two tasks to every attempt. With asyncio's timeout a trajectory costs a tenth less.
    dependencies = Dependencies(master, perception, timeout_s, Toolset(tools), check_schema(context_schema))
    graph = CVRGraph(CVRState, context_schema, input_schema=CVRInput, output_schema=OutputChannels)
    graph.name, graph.tools = name, dependencies.tools
    graph.add("brief", Brief(dependencies))
    graph.add("master", Master(dependencies), retry_policy=retry, error_handler=master_failed)
    for agent in dependencies.tools.nodes:
        graph.add(
            agent,
            Agent(dependencies, agent),
            input_schema=AgentInput,
            retry_policy=retry,
            error_handler=agent_failed,
        )
        graph.add_edge(agent, "master")
    graph.add("conclude", Conclude(dependencies))
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "master")
    graph.add_conditional_edges("master", after_master, [*dependencies.tools.nodes, "master", "conclude"])
    graph.add_conditional_edges("conclude", after_conclude, ["master", END])
    return graph


def tools_of(graph: CompiledCVRGraph) -> Toolset:
    """Return the tools that a graph was built with."""
    return cast(CVRGraph, graph.builder).tools


async def after_master(state: CVRState) -> list[Send] | str:
    """Return the next step: the agents, `conclude`, or `master` again if its turn was unusable or edited."""
    if state["failure"] is not None:
        return "conclude"
    if was_edited(state):
        return "master"
    if state["draft"] is not None:
        return "conclude"
    if not state["assignments"]:
        return "master"
    return [
        Send(
            assignment.node,
            AgentInput(assignment=assignment, sources=state["sources"], settings=state.get("settings") or {}),
        )
        for assignment in state["assignments"]
    ]


async def after_conclude(state: CVRState) -> str:
    """Return the next step: the end, or `master` again if its answer was not accepted."""
    return END if state["answer"] is not None or state["failure"] is not None else "master"


def recursion_limit(context: CVRContext) -> int:
    """Return the number of supersteps that a run may take. The turn budget ends a run long before that."""
    return RECURSION_PER_TURN * (context.max_turns + 2) + 10
