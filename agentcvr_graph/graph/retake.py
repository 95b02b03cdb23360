"""Time travel: repeat a turn of a finished run with other calls.

A run with a checkpointer is forked before one of its turns, and the turn is taken again with the given calls. After
that the master continues. The original run is unchanged.

    fork = await retake(graph, config, turn=2, calls=[{"name": "observe", "args": {"targets": [...]}}])
    output = await graph.ainvoke(None, fork)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot
from typing_extensions import TypedDict

from agentcvr_graph.errors import ActionError, InputError, SetupError
from agentcvr_graph.graph.builder import dependencies_of
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext, merged, shown_value
from agentcvr_graph.graph.dialects import Dialect, write_calls
from agentcvr_graph.graph.nodes.master import TurnStart
from agentcvr_graph.graph.opening import Opener
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.state import CVRState
from agentcvr_graph.models.clients.usage import cost_of
from agentcvr_graph.tools import Toolset

COMPILE = "Compile it with one: create_cvr_graph(...).compile(checkpointer=InMemorySaver())."


class OtherCall(TypedDict):
    """A call to put in place of the master's."""

    name: str
    """The name of one of the graph's tools: `observe`, `listen`, `answer`."""
    args: dict[str, Any]


async def retake(
    graph: CompiledCVRGraph,
    config: RunnableConfig,
    turn: int,
    calls: Sequence[OtherCall],
    *,
    context: CVRContext | None = None,
) -> RunnableConfig:
    """Fork the last question of a thread at a turn, with other calls in place of the master's.

    Args:
        graph: compiled with the checkpointer that holds the thread.
        config: names the thread.
        turn: number of the turn, from 1.
        calls: the new calls of that turn.
        context: the settings of the fork; settings that are not set stay those of the question.

    Returns:
        The configuration of the fork; continue with `graph.ainvoke(None, fork, context=context)`.

    Raises:
        InputError: the config names no thread, there is no such turn, or a call is not valid.
        SetupError: the graph has no checkpointer.
    """
    dependencies = dependencies_of(graph)
    tools = dependencies.tools
    for call in calls:
        _check(call, tools)
    snapshot = await _before(graph, config, turn)
    state = cast(CVRState, snapshot.values)
    message = write_calls(calls, await _dialect(graph, config))
    schema = cast(type[CVRContext], graph.builder.context_schema)
    settings = merged(schema, state.get("settings") or {}, context)
    opener = Opener.of(dependencies, settings, state)
    start = TurnStart.of(state, settings, dependencies.reserve(settings))
    update = await start.update(message, state, tools, opener) | {"spent": cost_of(message)}
    return await graph.aupdate_state(snapshot.config, update, as_node="master")


def _check(call: OtherCall, tools: Toolset) -> None:
    try:
        tools.read(call["name"], call["args"])
    except ActionError as error:
        raise InputError(f"That call cannot be made: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        wanted = "Write it as {'name': 'observe', 'args': {'targets': [...]}}."
        raise InputError(f"{shown_value(call)} is not a call.", fix=wanted) from error


async def _before(graph: CompiledCVRGraph, config: RunnableConfig, turn: int) -> StateSnapshot:
    """Return the checkpoint directly before the turn."""
    if not cast(Any, graph).checkpointer:
        raise SetupError("The graph has no checkpointer, so no run of it can be forked.", fix=COMPILE)
    if "thread_id" not in (config.get("configurable") or {}):
        raise InputError("The config names no thread.", fix="Pass {'configurable': {'thread_id': ...}} of the run.")
    most = 0
    async for snapshot in graph.aget_state_history(config):
        if snapshot.metadata is not None and snapshot.metadata.get("source") == "input":
            break  # the last question began here
        if snapshot.next == ("master",):
            most = max(most, snapshot.values["turn"] + 1)
            if snapshot.values["turn"] + 1 == turn:
                return snapshot
    raise InputError(f"The run has no turn {turn!r}.", fix=f"It has turns 1 to {most}." if most else "Run it first.")


async def _dialect(graph: CompiledCVRGraph, config: RunnableConfig) -> Dialect:
    """Return the dialect in which the master acted."""
    state = await graph.aget_state(config)
    values = cast(CVRState, state.values)
    spoken = [m for m in policy_messages(values) if isinstance(m, AIMessage)]
    return "json" if spoken and not any(message.tool_calls for message in spoken) else "tools"
