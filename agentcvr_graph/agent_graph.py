"""The graph as an agent: messages in, one final `AIMessage` and a `structured_response` out.

Frameworks that delegate to agents (a compiled subagent of deepagents, an agent of langgraph-supervisor, a node over
`MessagesState`) want exactly this. The agent has one node, which runs the graph as its child: progress, cancellation
and interrupts pass. What a chat lacks and what fails is said in the final message, so that the framework reads it.

The videos and the evidence of earlier questions are read from the messages that closed them. A framework that passes
only its last request to an agent starts a new conversation with each call; `graph.compile(checkpointer=True)` keeps one
for each thread of the framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Protocol, TypeVar

from langchain_core.messages import AIMessage, AnyMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from agentcvr_graph.errors import InfrastructureError, InputError, SetupError
from agentcvr_graph.graph.channels import typed
from agentcvr_graph.graph.chat.closing import failure_message
from agentcvr_graph.graph.chat.conversation import Closed
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import run
from agentcvr_graph.graph.state import ChatInput
from agentcvr_graph.short_answer import ShortAnswer, failed_answer, short_answer, wrong_input
from agentcvr_graph.trajectory import trajectory_of
from agentcvr_graph.types import Failure
from agentcvr_graph.utils.private_loop import refuse_running_loop, run_in_private_loop

if TYPE_CHECKING:
    from langgraph.pregel.remote import RemoteGraph

Out_co = TypeVar("Out_co", covariant=True)
NAME = "video_agent"


class AgentInput(TypedDict):
    """The input of the agent."""

    messages: Annotated[list[AnyMessage], add_messages]


class AgentOutput(AgentInput):
    """The output of the agent: the conversation with its final message, and the outcome as data."""

    structured_response: NotRequired[ShortAnswer]


class _Run(Protocol[Out_co]):
    """The types of `invoke` and `ainvoke`; LangGraph's own are partly unknown."""

    def __call__(self, input: ChatInput, config: RunnableConfig | None = None, **kwargs: Any) -> Out_co: ...


class CompiledAgent(CompiledStateGraph[AgentOutput, None, AgentInput, AgentOutput]):
    """The compiled agent."""

    if TYPE_CHECKING:
        ainvoke: _Run[  # pyright: ignore[reportIncompatibleMethodOverride]
            Coroutine[Any, Any, AgentOutput]
        ]
        invoke: _Run[AgentOutput]  # pyright: ignore[reportIncompatibleMethodOverride]


def as_agent(
    graph: CompiledCVRGraph | RemoteGraph, *, name: str = NAME, context: CVRContext | None = None
) -> CompiledAgent:
    """Return the graph as an agent for frameworks that pass messages.

    Args:
        graph: compiled without a checkpointer, or with `checkpointer=True` to keep a conversation for each thread.
        name: the agent's name, by which a framework delegates to it.
        context: the settings of every run; None for the defaults.

    Examples:
        >>> agent = as_agent(graph.compile())
        >>> output = await agent.ainvoke({"messages": [("user", "Which of a.mp4 and b.mp4 shows a dog?")]})
        >>> output["messages"][-1].text, output["structured_response"].evidence
    """
    _check_compiled(graph)

    async def answer(state: AgentInput, config: RunnableConfig) -> dict[str, Any]:
        try:
            output = await run(graph, ChatInput(messages=state["messages"]), context, config)
        except (InfrastructureError, InputError) as error:
            return _failed(str(error), name)
        message = convert_to_messages(output["messages"])[-1].model_copy(update={"name": name})
        return {"messages": [message], "structured_response": await asyncio.to_thread(_structured, output)}

    def answer_and_wait(state: AgentInput, config: RunnableConfig) -> dict[str, Any]:
        refuse_running_loop("`invoke`", "`await agent.ainvoke(...)`")
        return run_in_private_loop(lambda: answer(state, config))

    agent: Any = StateGraph(AgentOutput, input_schema=AgentInput, output_schema=AgentOutput)
    agent.add_node("answer", RunnableLambda(answer_and_wait, answer))
    agent.add_edge(START, "answer")
    agent.add_edge("answer", END)
    compiled = agent.compile(name=name)
    compiled.__class__ = CompiledAgent  # LangGraph has no option for the compiled class
    return compiled


def _check_compiled(graph: object) -> None:
    if not isinstance(graph, Runnable):
        raise SetupError(f"as_agent got {type(graph).__name__}, not a compiled graph.", fix="Call .compile() on it.")


def _structured(output: Mapping[str, Any]) -> ShortAnswer:
    failure = typed(Failure | None, output["failure"])
    if failure is not None and failure.boundary == "input":
        return wrong_input(failure.message)
    return short_answer(trajectory_of(output))


def _failed(problem: str, name: str) -> dict[str, Any]:
    """Return the update of a run that a server or its client ended."""
    message = failure_message(Failure(boundary="infrastructure", message=problem), Closed())
    named: AIMessage = message.model_copy(update={"name": name})
    return {"messages": [named], "structured_response": failed_answer(problem)}
