"""The graph as a tool of other agents: typed arguments in, an answer with its citations out.

    agent = create_agent(model, tools=[as_tool(graph.compile())])

The agent reads one short text. The artifact of its `ToolMessage` is the whole run, so that an app can show what was
observed: `Trajectory.model_validate(message.artifact)`. The graph runs as a child of the caller: progress and tokens
reach the caller's stream, cancelling the caller cancels the graph, and the caller's checkpointer stores its state too.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from agentcvr_graph.answers import KnownQuestionKind
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.render import window_label
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import QuestionKind, Video

DESCRIPTION = (
    "Answers a question about one or more videos, also where the evidence is spread over several of them. It looks at "
    "frames and listens by itself, and cites the windows that prove the answer. It needs the addresses of the videos."
)


class AskArgs(BaseModel):
    """What the calling agent writes."""

    question: str = Field(description="The question, in plain words; videos are 'video 1', 'video 2', ... in it.")
    videos: list[str] = Field(min_length=1, description="Files or URLs; '#t=12.5,40' behind one makes a clip.")
    options: list[str] = Field(default=[], description="Options to choose from, or things to order.")
    kind: KnownQuestionKind = Field(
        default="auto", description="Kind of answer; 'auto': options mean 'choice', else text."
    )


def as_tool(
    graph: CompiledCVRGraph,
    *,
    name: str = "ask_videos",
    description: str = DESCRIPTION,
    context: CVRContext | None = None,
) -> BaseTool:
    """Return the graph as an async LangChain tool, for `create_agent`, `ToolNode` and every model that calls tools.

    Args:
        graph: compiled without a checkpointer; it uses the caller's.
        context: the settings of every run; None for the defaults.

    Returns:
        A tool with the arguments `AskArgs`. Its content is the answer, the reason and the windows that prove it, or the
        failure. Its artifact is the `Trajectory` as JSON.
    """

    async def ask_videos(
        config: RunnableConfig, question: str, videos: list[str], options: list[str], kind: QuestionKind
    ) -> tuple[str, dict[str, Any]]:
        given = CVRInput(question=question, videos=cast("list[str | Video]", videos), options=options, kind=kind)
        trajectory = await ask(graph, given, context, config)
        # A checkpoint stores an artifact as JSON. Returning JSON makes it the same before and after a checkpoint.
        return reply_of(trajectory), trajectory.model_dump(mode="json")

    return StructuredTool.from_function(
        coroutine=ask_videos,
        name=name,
        description=description,
        args_schema=AskArgs,
        response_format="content_and_artifact",
    )


def reply_of(trajectory: Trajectory) -> str:
    """Return a run as the calling agent reads it: a few lines, however long the run was."""
    answer, failure = trajectory.answer, trajectory.failure
    if failure is not None:
        return f"No answer: {failure.message}"
    assert answer is not None  # a run has either an answer or a failure
    proofs = [f"{window_label(cited)} ({cited.modality})" for cited in answer.citations]
    lines = [f"Answer: {answer.text}"]
    lines += [f"Why: {answer.rationale}"] if answer.rationale else []
    lines += [f"Evidence: {'; '.join(proofs)}"] if proofs else []
    return "\n".join(lines)
