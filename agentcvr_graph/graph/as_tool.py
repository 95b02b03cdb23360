"""The graph as a tool of other agents: typed arguments in, an answer with its citations out.

    agent = create_agent(model, tools=[as_tool(graph.compile())])

The agent reads one short text. The artifact of its `ToolMessage` is the whole run, so that an app can show what was
observed: `Trajectory.model_validate(message.artifact)`. The graph runs as a child of the caller: progress and tokens
reach the caller's stream, cancelling the caller cancels the graph, and the caller's checkpointer stores its state too.

What the agent wrote never raises: a path that does not exist, a kind without options or an argument of a wrong type
becomes a `ToolMessage` with the status "error", which says what to correct. The other calls of the turn are unaffected.
A server that fails, and a server's run that fails or waits for a human, are such messages too. Errors of the set-up and
of this library are raised, and interrupts pass.

A model chooses what is opened, and whoever writes to the agent chooses what the model reads. So the tool is limited as
a server is (`media/access.py`): paths and addresses are checked before the graph runs, and again by the library that
opens them, redirects included.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field, ValidationError, field_validator

from agentcvr_graph.answers import GUESS, KINDS, KnownQuestionKind
from agentcvr_graph.errors import ActionError, BugError, InfrastructureError, InputError, SetupError
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.question import read_options
from agentcvr_graph.graph.remote import WaitingError
from agentcvr_graph.graph.run import ask
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.media.access import Access, access_of_untrusted_clients, limited
from agentcvr_graph.media.source import check_source
from agentcvr_graph.render import cut, one_line, window_label
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Citation, QuestionKind, Video, whole
from agentcvr_graph.utils.private_loop import refuse_running_loop, run_in_private_loop

if TYPE_CHECKING:
    from langgraph.pregel.remote import RemoteGraph

DESCRIPTION = (
    "Answers a question about one or more videos, also where the evidence is spread over several of them. It looks at "
    "frames and listens by itself, and cites the windows that prove the answer. It needs the addresses of the videos."
)
VIDEOS = "Files, folders, patterns (clips/*.mp4) or URLs; '#t=12.5,40' behind one makes a clip."
CORRECT = "Nothing was looked at. Correct this, then call again; do not repeat the same arguments."
"""Last line of an error about what the agent wrote."""
NOTES_SHOWN = 3
"""Failed calls that the agent reads of; their errors are mostly alike."""


class AskArgs(BaseModel):
    """What the calling agent writes."""

    question: str = Field(description="The question, in plain words; videos are 'video 1', 'video 2', ... in it.")
    videos: list[str] = Field(min_length=1, description=VIDEOS)
    options: list[str] = Field(default=[], description="Options to choose from, or things to order.")
    kind: KnownQuestionKind = Field(
        default="auto", description="Kind of answer; 'auto': options mean 'choice', else text."
    )

    @field_validator("videos", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return one_or_several(given)

    @field_validator("options", mode="before")
    @classmethod
    def _as_callers_write_them(cls, given: object) -> list[str]:
        """Read options as for every caller, and a list that was written as JSON text."""
        return list(read_options(_from_json(given)))

    @field_validator("kind", mode="before")
    @classmethod
    def _no_kind_is_auto(cls, given: object) -> object:
        return given.strip().lower() or "auto" if isinstance(given, str) else "auto" if given is None else given


def as_tool(
    graph: CompiledCVRGraph | RemoteGraph,
    *,
    name: str = "ask_videos",
    description: str = DESCRIPTION,
    context: CVRContext | None = None,
    access: Access | None = None,
) -> BaseTool:
    """Return the graph as a LangChain tool, for `create_agent`, `ToolNode` and every model that calls tools.

    Args:
        graph: compiled without a checkpointer; it uses the caller's. A server's graph has the server's access.
        context: the settings of every run; None for the defaults.
        access: what the agent may name; None for files below the working folder and public addresses, as on a server.
            `Access()` allows everything. What the graph's own library forbids stays forbidden.

    Returns:
        A tool with the arguments `AskArgs`. Its content is the answer, the reason and the windows that prove it, or the
        failure. Its artifact is the `Trajectory` as JSON, or None for an error in the arguments.

    Raises:
        SetupError: an argument has the wrong type, such as a graph that was not compiled.
    """
    _check_objects(graph, context, access)
    allowed = access_of_untrusted_clients() if access is None else access

    async def ask_videos(config: RunnableConfig, **asked: Any) -> tuple[str, dict[str, Any]]:
        with _errors_for_agent(), limited(allowed):
            trajectory = await _run(graph, _input_of(**asked), allowed, context, config)
        # A checkpoint stores an artifact as JSON. Returning JSON makes it the same before and after a checkpoint.
        return reply_of(trajectory), trajectory.model_dump(mode="json")

    def ask_videos_and_wait(config: RunnableConfig, **asked: Any) -> tuple[str, dict[str, Any]]:
        refuse_running_loop("`invoke`", "`await tool.ainvoke(...)`")
        return run_in_private_loop(lambda: ask_videos(config, **asked))

    return StructuredTool.from_function(
        func=ask_videos_and_wait,
        coroutine=ask_videos,
        name=name,
        description=description,
        args_schema=AskArgs,
        response_format="content_and_artifact",
        handle_tool_error=True,
        handle_validation_error=_invalid_arguments,
    )


def _check_objects(graph: object, context: object, access: object) -> None:
    """Refuse what only the app can correct here, instead of in a call of the agent."""
    if not isinstance(graph, Runnable):
        raise SetupError(f"as_tool got {type(graph).__name__}, not a compiled graph.", fix="Call .compile() on it.")
    for name, given, kind in (("context", context, CVRContext), ("access", access, Access)):
        if not isinstance(given, kind | None):
            fix = f"Pass {kind.__name__}(...)."
            raise SetupError(f"`{name}` of as_tool is {given!r:.80} ({type(given).__name__}).", fix=fix)


def _input_of(question: str, videos: list[str], options: list[str], kind: QuestionKind) -> CVRInput:
    return CVRInput(question=whole(question), videos=[whole(video) for video in videos], options=options, kind=kind)


async def _run(
    graph: CompiledCVRGraph | RemoteGraph,
    given: CVRInput,
    access: Access,
    context: CVRContext | None,
    config: RunnableConfig,
) -> Trajectory:
    if isinstance(graph, CompiledCVRGraph):
        await asyncio.to_thread(_check_sources, given["videos"], access)
    return await ask(graph, given, context, config)


@contextmanager
def _errors_for_agent() -> Generator[None]:
    """Raise what the agent may read as a `ToolException`, which LangChain turns into an error message."""
    try:
        yield
    except SetupError:
        raise
    except (InfrastructureError, WaitingError) as error:
        raise ToolException(_for_agent(str(error))) from error
    except (InputError, ActionError) as error:
        raise ToolException(_for_agent(str(error), CORRECT)) from error
    except ValidationError as error:  # LangChain would report it to the agent as an error in its arguments
        raise BugError(f"The graph raised a ValidationError of {error.title}.") from error


def _check_sources(videos: Sequence[str | Video], access: Access) -> None:
    """Refuse videos that the agent may not name, also for a perception that opens them without our library."""
    problems: list[str] = []
    for video in cast(Sequence[str], videos):
        try:
            check_source(video, access)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def _invalid_arguments(error: Any) -> str:
    """Return what is wrong with the arguments, and what they are, as the agent reads it."""
    wrong = [f"`{'.'.join(map(str, one['loc'])) or 'arguments'}`: {_told(one['msg'])}" for one in error.errors()]
    arguments = (
        "The arguments are `question` (a text), `videos` (a list of files or URLs), `options` (a list of texts) and "
        f"`kind` (one of {', '.join(('auto', *KINDS))})."
    )
    return _for_agent(*wrong, arguments, CORRECT)


def _told(message: str) -> str:
    """Return Pydantic's message as one sentence, without its prefix for errors of a validator."""
    return f"{message.removeprefix('Value error, ').removesuffix('.')}."


def _for_agent(*parts: str) -> str:
    """Return an error as the agent reads it: short lines without invisible characters."""
    return "\n".join(cut(one_line(line)) for part in parts for line in part.splitlines())


def one_or_several(given: object) -> object:
    """Read one video without a list, and a list that was written as JSON text."""
    listed = _from_json(given)
    return [listed] if isinstance(listed, str) else listed


def _from_json(given: object) -> object:
    """Return the list in a JSON text of a list, as some models write one; any other value unchanged."""
    if not isinstance(given, str) or not given.lstrip().startswith("["):
        return given
    try:
        return cast(object, json.loads(given))
    except (ValueError, RecursionError):
        return given


def reply_of(trajectory: Trajectory) -> str:
    """Return a run as the calling agent reads it: a few lines, however long the run was."""
    answer, failure = trajectory.answer, trajectory.failure
    if failure is not None:
        return f"No answer: {failure.message}"
    assert answer is not None  # a run has either an answer or a failure
    proofs = [f"{window_label(cited)} ({cited.modality}{_verdict(trajectory, cited)})" for cited in answer.citations]
    lines = [answer.text if answer.abstained else f"Answer: {answer.text}"]
    lines += [f"This is {GUESS}."] if answer.is_guess else []
    lines += [f"Confidence: {100 * answer.confidence:.0f} %"] if answer.confidence else []
    lines += [f"Why: {answer.rationale}"] if answer.rationale else []
    lines += [f"Evidence: {'; '.join(proofs)}"] if proofs else []
    lines += [f"Note: {failed}" for failed in trajectory.failed_calls[:NOTES_SHOWN]]
    return "\n".join(lines)


def _verdict(trajectory: Trajectory, cited: Citation) -> str:
    """Return the verdict of a citation's check, such as `, supported`; empty if it was not checked."""
    check = trajectory.verification_of(cited)
    return f", {check.verdict}" if check else ""
