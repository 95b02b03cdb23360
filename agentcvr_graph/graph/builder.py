"""The graph: its nodes and edges. `nodes/` holds what each node does.

    START -> brief -> master -> (visual_agent | audio_agent, fanned out with Send) -> master -> ... -> conclude -> END

With the feature `verify`, `conclude` leads to `verify`, one task for each citation, and back.

One builder serves live and swap mode: `create_cvr_graph(master, LivePerception(...))` observes real video,
`create_cvr_graph(policy, ScriptedPerception(...))` reads scripts. It returns the builder uncompiled, so that the caller
can add a checkpointer, a store and a cache, or use it in another graph. All nodes are async; `compiled.py` also
runs them for callers without an event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send

from agentcvr_graph.graph.checks import NODE
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext, check_schema
from agentcvr_graph.graph.dependencies import ChooseMaster, ChoosePerception, Dependencies, check_objects
from agentcvr_graph.graph.nodes.agents import Agent
from agentcvr_graph.graph.nodes.brief import Brief
from agentcvr_graph.graph.nodes.conclude import Conclude
from agentcvr_graph.graph.nodes.master import Master, master_failed, was_edited
from agentcvr_graph.graph.nodes.verify import Verify
from agentcvr_graph.graph.routing import Router
from agentcvr_graph.graph.state import (
    AgentInput,
    CVRState,
    InputChannels,
    OutputChannels,
    VerifyInput,
    input_of_agent,
    input_of_verify,
)
from agentcvr_graph.models.clients.errors import is_transient
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import NO_FEATURES, TOOLS, Features, Toolset
from agentcvr_graph.tools.spec import AnyTool

RETRY = RetryPolicy(max_attempts=3, initial_interval=0.5, backoff_factor=2.0, retry_on=is_transient)
"""Retry twice after a transient failure: after half a second, then after another second, each up to a second longer."""
TIMEOUT_S = 300.0
"""Longest single attempt of a model call or an observation, in seconds."""
RECURSION_PER_TURN = 4
"""Supersteps that a turn may take; more than any turn needs."""


class CVRGraph(StateGraph[CVRState, CVRContext, InputChannels, OutputChannels]):
    """A `StateGraph` that compiles to a `CompiledCVRGraph` under its own name."""

    name: str = "agentcvr"
    dependencies: Dependencies

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
    features: Features = NO_FEATURES,
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
        features: what the library's tools can do besides; all of it is off by default.
        context_schema: `CVRContext`, or a subclass with settings that the two functions read.
        name: the name of the compiled graph, as a parent graph or a server shows it.
        retry: the retry policy for failed calls of a model or a perception.
        timeout_s: the longest single attempt of such a call, in seconds; None for no limit.

    Returns:
        The builder, uncompiled. Input `CVRInput` or `ChatInput`, output `CVROutput`, context `CVRContext`.

    Examples:
        >>> graph = create_cvr_graph(master, perception).compile()
        >>> result = await graph.ainvoke(
        ...     {"question": "Which cook adds salt first?", "videos": ["a.mp4", "b.mp4"], "options": ["1", "2"]}
        ... )
        >>> result["answer"].value
        'B'

    Raises:
        SetupError: the master, the perception, a tool or the features are of another type, or a setting of the graph
            cannot be used.
    """
    check_objects(master, perception, tools, features)
    # LangGraph's node timeout adds two tasks to every attempt. With asyncio's timeout a trajectory costs a tenth less.
    judge = features.judge or (tools.judge if isinstance(tools, Toolset) else None)
    toolset = Toolset(features.apply(tools), judge)
    dependencies = Dependencies(master, perception, timeout_s, retry, toolset, check_schema(context_schema))
    graph = CVRGraph(CVRState, context_schema, input_schema=InputChannels, output_schema=OutputChannels)
    graph.name, graph.dependencies = name, dependencies
    graph.add("brief", Brief(dependencies))
    graph.add("master", Master(dependencies), retry_policy=retry, error_handler=master_failed)
    for node in dependencies.tools.nodes:
        agent = Agent(dependencies, node)
        graph.add(node, agent, input_schema=AgentInput, retry_policy=retry, error_handler=agent.failed)
        graph.add_edge(node, "master")
    graph.add("conclude", Conclude(dependencies))
    graph.add_edge(START, "brief")
    graph.add_conditional_edges("brief", Router(after_brief), ["master", "conclude"])
    graph.add_conditional_edges("master", Router(after_master), [*dependencies.tools.nodes, "master", "conclude"])
    graph.add_conditional_edges("conclude", Router(after_conclude), ["master", *_add_verify(graph, dependencies), END])
    return graph


def dependencies_of(graph: CompiledCVRGraph) -> Dependencies:
    """Return the objects that a graph was built with."""
    return cast(CVRGraph, graph.builder).dependencies


def _add_verify(graph: CVRGraph, dependencies: Dependencies) -> list[str]:
    """Add the node that checks citations, and return its name; nothing without the feature `verify`."""
    if dependencies.tools.judge is None:
        return []
    verify = Verify(dependencies, dependencies.tools.judge)
    graph.add(NODE, verify, input_schema=VerifyInput, retry_policy=dependencies.retry, error_handler=verify.failed)
    graph.add_edge(NODE, "conclude")
    return [NODE]


async def after_brief(state: CVRState) -> str:
    """Return the next step: `master`, or `conclude` if a chat lacks a question or a video."""
    return "master" if state["failure"] is None else "conclude"


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
    return [Send(assignment.node, input_of_agent(assignment, state)) for assignment in state["assignments"]]


async def after_conclude(state: CVRState) -> list[Send] | str:
    """Return the next step: the end, the checks of citations, or `master` again if its answer was not accepted."""
    if state["answer"] is not None or state["failure"] is not None:
        return END
    if not state.get("checks"):
        return "master"
    return [Send(NODE, input_of_verify(one, state)) for one in state["checks"]]


def recursion_limit(context: CVRContext) -> int:
    """Return the number of supersteps that a run may take. The turn budget ends a run long before that."""
    return RECURSION_PER_TURN * (context.max_turns + 2) + 10
