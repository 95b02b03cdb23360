"""The graph: its nodes and edges. `nodes/` holds what each node does.

    START -> brief -> master -> (visual_agent | audio_agent, fanned out with Send) -> master -> ... -> conclude -> END

One builder serves live and swap mode: `create_cvr_graph(master, LivePerception(...))` observes real video,
`create_cvr_graph(policy, ScriptedPerception(...))` reads scripts. It returns the builder uncompiled, so that the caller
brings checkpointer, store and cache, or adds it to a graph of their own. All nodes are async: use `ainvoke`, `astream`.
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

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import ChooseMaster, ChoosePerception, Dependencies
from agentcvr_graph.graph.nodes.agents import Agent, agent_failed
from agentcvr_graph.graph.nodes.brief import Brief
from agentcvr_graph.graph.nodes.conclude import conclude
from agentcvr_graph.graph.nodes.master import Master, master_failed, was_edited
from agentcvr_graph.graph.state import AgentInput, CVRInput, CVROutput, CVRState, OutputChannels
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import TOOLS, Toolset
from agentcvr_graph.tools.spec import AnyTool

RETRY = RetryPolicy(max_attempts=3, initial_interval=0.5, backoff_factor=2.0, retry_on=is_transient)
"""Two more tries after a transient failure, half a second and then a second later."""
TIMEOUT_S = 300.0
"""Longest single attempt of a model call or an observation."""
RECURSION_PER_TURN = 4
"""Supersteps that a turn may take, with room to spare."""
DESCRIPTIONS = {
    "brief": "Checks the question, opens the videos, writes the first messages.",
    "master": "Takes one turn: where to look, where to listen, or the answer.",
    "visual_agent": "Looks at frames of windows and tells what they show.",
    "audio_agent": "Listens to a window and tells what is said and heard.",
    "conclude": "Accepts the answer, or sends it back.",
}
"""What a drawing says of each node."""


class CompiledCVRGraph(CompiledStateGraph[CVRState, CVRContext, CVRInput, OutputChannels]):
    """The compiled graph, which draws itself for people: every node says what it does.

    The handlers of failed calls are left out: no edge leads to them, and with nodes that hang in the air a parent's
    drawing cannot open it (LangGraph looks for one first and one last node).
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
        """As `Pregel.get_graph`."""
        return self._for_people(super().get_graph(config, xray=xray))

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """As `Pregel.aget_graph`."""
        return self._for_people(await super().aget_graph(config, xray=xray))

    def _for_people(self, drawn: Graph) -> Graph:
        for handler in self.node_error_handler_map.values():
            drawn.remove_node(drawn.nodes[handler])
        for name, node in drawn.nodes.items():
            if name in DESCRIPTIONS:
                metadata = {"description": DESCRIPTIONS[name], **(node.metadata or {})}
                drawn.nodes[name] = node._replace(metadata=metadata)
        return drawn


class CVRGraph(StateGraph[CVRState, CVRContext, CVRInput, OutputChannels]):
    """A `StateGraph` that compiles under its own name, and to a graph that draws itself well."""

    name: str = "agentcvr"
    tools: Toolset = TOOLS

    def compile(
        self, checkpointer: BaseCheckpointSaver[Any] | bool | None = None, *, name: str | None = None, **kwargs: Any
    ) -> CompiledCVRGraph:
        """Compile as `StateGraph.compile` does; `name` defaults to the one given to `create_cvr_graph`."""
        compile_graph = cast("Callable[..., Any]", super().compile)  # pyright: ignore[reportUnknownMemberType]
        compiled: Any = compile_graph(checkpointer, name=name or self.name, **kwargs)
        compiled.__class__ = CompiledCVRGraph  # a builder cannot tell LangGraph which class to make
        return compiled

    def add(self, name: str, node: Callable[..., Awaitable[Any]], **options: Any) -> None:
        """Add a node. LangGraph's own signature is partly untyped and knows no error handler that takes the error."""
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
    """Build the graph that answers a question over several videos.

    Args:
        master: the chat model that decides where to look and listen, or a function of the run's context that gives it.
        perception: such as `LivePerception` for real video, or a function of the run's context that gives one.
        tools: what the master may call; `[*TOOLS, MY_TOOL]` adds one to those that the library ships.
        context_schema: `CVRContext`, or a subclass with settings that the two functions read.
        name: the name of the compiled graph, as a parent graph or a server shows it.
        retry: what happens to a call of a model or a perception that fails.
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
    # LangGraph's own node timeout runs every attempt as two tasks more; asyncio's costs a tenth less a trajectory.
    dependencies = Dependencies(master, perception, timeout_s, Toolset(tools))
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
    graph.add("conclude", conclude)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "master")
    graph.add_conditional_edges("master", after_master, [*dependencies.tools.nodes, "master", "conclude"])
    graph.add_conditional_edges("conclude", after_conclude, ["master", END])
    return graph


def tools_of(graph: CompiledCVRGraph) -> Toolset:
    """Return the tools that a graph was built with."""
    return cast(CVRGraph, graph.builder).tools


async def after_master(state: CVRState) -> list[Send] | str:
    """To the agents, to the conclusion, or to the master where its turn was of no use, or was edited."""
    if state["failure"] is not None:
        return "conclude"
    if was_edited(state):
        return "master"
    if state["draft"] is not None:
        return "conclude"
    if not state["assignments"]:
        return "master"
    return [
        Send(assignment.node, AgentInput(assignment=assignment, sources=state["sources"]))
        for assignment in state["assignments"]
    ]


async def after_conclude(state: CVRState) -> str:
    """To the end, or back to the master with an answer that was not accepted."""
    return END if state["answer"] is not None or state["failure"] is not None else "master"


def recursion_limit(context: CVRContext) -> int:
    """Supersteps that a run may take; the turn budget ends it long before."""
    return RECURSION_PER_TURN * (context.max_turns + 2) + 10
