"""The protocol: four tools, the pictures and reports that they link to, progress, and errors of one line.

A call that a client cannot make that way (a missing file, a wrong argument) is a tool error of one line. What failed
outside (a model, a server, a decoder) is a result with `status: "failed"`. Cancelling a call cancels its run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError, UnexpectedToolError
from mcp_types import CallToolResult, ContentBlock, ResourceLink, TextContent, ToolAnnotations
from pydantic import BeforeValidator, Field, ValidationError

from agentcvr_graph.answers import KnownQuestionKind
from agentcvr_graph.errors import ActionError, InfrastructureError, InputError, SetupError, shown_address
from agentcvr_graph.graph.as_tool import DESCRIPTION, VIDEOS, one_or_several, reply_of
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.mcp_server.service import FoundEvidence, Moment, OnProgress, VideoService
from agentcvr_graph.report.page import render_report
from agentcvr_graph.short_answer import ShortAnswer, failed_answer, short_answer, shortened
from agentcvr_graph.tools.find import MOST_WINDOWS
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import FrozenModel, Observation, Window

RUN = "agentcvr://runs/{run}"
MOST_STATEMENTS = 12
MOST_FRAMES = 32
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
INSTRUCTIONS = (
    "Ask about videos by their paths or URLs; '#t=12.5,40' behind one makes a clip. A relative path counts from the "
    "folders that this server reads. `ask_videos` answers a question over one or several videos, `describe_video` "
    "shows what one video holds, `find_in_videos` searches many videos or a folder, `evidence_report` returns the page "
    "of a run."
)

Videos = Annotated[
    list[str],
    Field(min_length=1, description=VIDEOS),
    BeforeValidator(one_or_several),
]
Question = Annotated[
    str, Field(min_length=1, description="The question, in plain words; videos are 'video 1', 'video 2', ... in it.")
]
Options = Annotated[list[str], Field(description="Options to choose from, or things to order.")]
Kind = Annotated[KnownQuestionKind, Field(description="Kind of answer; 'auto': options mean 'choice', else text.")]


class AskResult(ShortAnswer):
    """The answer of `ask_videos`."""

    run: str = Field(default="", description="Id of the run, for `evidence_report`; empty if it failed.")


class Statement(FrozenModel):
    """What is seen or heard in a window."""

    how: Literal["seen", "heard"]
    start_s: float
    end_s: float
    text: str


class VideoDescription(FrozenModel):
    """What a video is and what it shows."""

    title: str
    duration_s: float
    width: int = Field(description="Width of the picture in pixels; 0 for a video without a picture.")
    height: int
    has_sound: bool
    has_subtitles: bool
    statements: tuple[Statement, ...] = Field(description="What is seen and heard, the first statements of each.")
    notes: tuple[str, ...] = ()
    problem: str = Field(default="", description="Why a part could not be looked at; empty if all could.")


class FoundStatement(FrozenModel):
    """What is known of a window of a video."""

    video: str = Field(description="File or URL of the video, for the other tools.")
    start_s: float
    end_s: float
    text: str


class FindResult(FrozenModel):
    """What a search found."""

    status: Literal["found", "nothing", "failed"]
    statements: tuple[FoundStatement, ...] = Field(default=(), description="The best windows first.")
    notes: tuple[str, ...] = Field(default=(), description="Which videos were not searched, and why.")
    problem: str = Field(default="", description="Why the search failed; empty if it did not.")


class ReportResult(FrozenModel):
    """Where the evidence report of a run is."""

    uri: str = Field(description="Resource with the page, as HTML.")
    pictures: tuple[str, ...] = Field(description="Resources with the cited frames, as JPEG.")
    answer: ShortAnswer


class EvidenceServer(MCPServer[Any]):
    """An MCP server whose tool errors are one line, without the name of the tool and without Pydantic's report."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool, as `MCPServer.call_tool` does.

        Raises:
            ToolError: the arguments are wrong, or a video cannot be used; the message is one line.
        """
        await self._check_names(name, arguments)
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            raise ToolError(_one_line(error)) from error

    async def _check_names(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that the tool does not have: the SDK would ignore them.

        Raises:
            ToolError: there is such an argument.
        """
        known = next((tool.input_schema["properties"] for tool in await self.list_tools() if tool.name == name), None)
        unknown = [] if known is None else [argument for argument in arguments if argument not in known]
        if known is not None and unknown:
            raise ToolError(f"There is no argument {unknown[0][:40]!r}; `{name}` takes {', '.join(known)}.")


class _Calls:
    """The tools and the resources, as the SDK calls them. It publishes their signatures and docstrings."""

    def __init__(self, service: VideoService) -> None:
        self._service = service

    async def ask_videos(
        self,
        question: Question,
        videos: Videos,
        context: Context[Any, Any],
        options: Options = [],  # noqa: B006 (the SDK publishes the default)
        kind: Kind = "auto",
    ) -> Annotated[CallToolResult, AskResult]:
        given = CVRInput(question=question, videos=[*videos], options=options, kind=kind)
        try:
            run, trajectory = await self._service.ask(given, _progress(context))
        except InfrastructureError as error:
            failed = failed_answer(str(error))
            return _result(failed.problem, AskResult(**failed.model_dump()))
        except (InputError, ActionError, SetupError) as error:
            raise ToolError(str(error)) from error
        text = f"{reply_of(trajectory)}\nRun: {run}"
        return _result(text, AskResult(**short_answer(trajectory).model_dump(), run=run), _links(self._service, run))

    async def describe_video(
        self,
        video: Annotated[str, Field(min_length=1, description="A file or URL; '#t=12.5,40' behind it makes a clip.")],
        context: Context[Any, Any],
        frames: Annotated[int, Field(ge=0, le=MOST_FRAMES, description="Frames to look at; 0 for none.")] = 8,
        listen: Annotated[bool, Field(description="Whether to listen to it too, which takes longer.")] = False,
        focus: Annotated[str, Field(description="What to look for; empty for everything.")] = "",
    ) -> Annotated[CallToolResult, VideoDescription]:
        """Show what one video holds: its length, picture and sound, and what is seen and heard in it, with times."""
        try:
            info, found, problem = await self._service.describe(video, frames, listen, focus, _progress(context))
        except (InputError, SetupError) as error:
            raise ToolError(str(error)) from error
        described = VideoDescription(
            title=info.title,
            duration_s=round(info.duration_s, 2),
            width=info.width,
            height=info.height,
            has_sound=info.has_sound,
            has_subtitles=info.has_subtitles,
            statements=tuple(line for observation in found for line in _statements(observation)),
            notes=tuple(map(shortened, info.notes[:3])),
            problem=shortened(problem),
        )
        return _result(_in_words(described), described)

    async def find_in_videos(
        self,
        query: Annotated[str, Field(min_length=1, description="Words to search for.")],
        videos: Videos,
        context: Context[Any, Any],
        limit: Annotated[int, Field(ge=1, le=MOST_WINDOWS, description="How many windows to return, at most.")] = 5,
    ) -> Annotated[CallToolResult, FindResult]:
        """Search what is seen, said and written in many videos or whole folders: returns the best windows with their
        statements. Videos that are not indexed yet are indexed first, as far as a fifth of the budget goes."""
        try:
            found = await self._service.find(videos, query, limit, _progress(context))
        except InfrastructureError as error:
            return _result(str(error), FindResult(status="failed", problem=str(error)))
        except (InputError, ActionError, SetupError) as error:
            raise ToolError(str(error)) from error
        result = _found(found)
        lines = [f"{one.video}, {one.start_s:.1f}-{one.end_s:.1f} s: {one.text}" for one in result.statements]
        return _result("\n".join([*(lines or ["Nothing was found."]), *result.notes]), result)

    async def evidence_report(
        self,
        run: Annotated[str, Field(min_length=1, description="The `run` of an answer.")],
    ) -> Annotated[CallToolResult, ReportResult]:
        """Return the HTML page of a run: what was looked at, what was found, and what the answer rests on."""
        try:
            trajectory = self._service.run(run)
        except InputError as error:
            raise ToolError(str(error)) from error
        links = _links(self._service, run)
        page = ResourceLink(name="evidence.html", uri=f"{RUN.format(run=run)}/report.html", mime_type="text/html")
        result = ReportResult(
            uri=str(page.uri), pictures=tuple(str(link.uri) for link in links), answer=short_answer(trajectory)
        )
        return _result(f"Report: {page.uri}", result, [page, *links])

    async def report(self, run: str) -> str:
        """Return the evidence report of a run, one self-contained page."""
        trajectory = _run_of(self._service, run).without_secrets()
        return await asyncio.to_thread(render_report, trajectory, thumbnails=self._service.thumbnails)

    async def picture(self, run: str, name: str) -> bytes:
        """Return a cited frame of a run; it is named by its video and its time in milliseconds, such as `1-12500`."""
        trajectory = _run_of(self._service, run)
        named = {_name(moment): moment for moment in self._service.moments(trajectory)}
        if name not in named or self._service.thumbnails is None:
            raise ResourceNotFoundError(f"The run {run!r} cites no picture {name[:40]!r}.")
        number, time_s = named[name]
        found = await asyncio.to_thread(self._service.thumbnails.thumbnail, trajectory.video(number).video, time_s)
        if found is None:
            raise ResourceNotFoundError(f"Video {number} has no picture at {time_s:.1f} s any more.")
        return found


def build_server(service: VideoService) -> MCPServer[Any]:
    """Return the server of a service."""
    server = EvidenceServer("agentcvr", instructions=INSTRUCTIONS, version=version("agentcvr-graph"), log_level="ERROR")
    calls = _Calls(service)
    server.tool(description=DESCRIPTION, annotations=READS)(calls.ask_videos)
    server.tool(annotations=READS)(calls.describe_video)
    server.tool(annotations=READS)(calls.find_in_videos)
    server.tool(annotations=READS)(calls.evidence_report)
    server.resource(f"{RUN}/report.html", mime_type="text/html")(calls.report)
    server.resource(f"{RUN}/pictures/{{name}}.jpg", mime_type="image/jpeg")(calls.picture)
    return server


def _run_of(service: VideoService, run: str) -> Trajectory:
    try:
        return service.run(run)
    except InputError as error:
        raise ResourceNotFoundError(str(error)) from error


def _progress(context: Context[Any, Any]) -> OnProgress:
    """Return a function that reports each step to the client, if it asked for that."""
    steps = 0

    async def report(text: str) -> None:
        nonlocal steps
        steps += 1
        await context.report_progress(steps, message=text)

    return report


def _links(service: VideoService, run: str) -> list[ResourceLink]:
    trajectory = service.run(run)
    return [
        ResourceLink(
            name=f"video {number}, {time_s:.1f} s",
            uri=f"{RUN.format(run=run)}/pictures/{_name((number, time_s))}.jpg",
            mime_type="image/jpeg",
        )
        for number, time_s in service.moments(trajectory)
    ]


def _name(moment: Moment) -> str:
    return f"{moment[0]}-{round(moment[1] * 1000)}"


def _result(text: str, structured: FrozenModel, links: Sequence[ContentBlock] = ()) -> CallToolResult:
    """Return a result for clients that read structured content, and for those that read text."""
    content = [TextContent(text=text), *links]
    return CallToolResult(content=content, structured_content=structured.model_dump(mode="json"))


def _statements(observation: Observation) -> list[Statement]:
    how = "seen" if observation.modality == "visual" else "heard"
    placed = [(said.text, said.window or observation.windows[0]) for said in observation.evidence[:MOST_STATEMENTS]]
    return [_statement(how, text, window) for text, window in placed]


def _found(found: FoundEvidence) -> FindResult:
    statements = [
        FoundStatement(
            video=shown_address(found.videos[said.window.video].source),
            start_s=round(said.window.start_s, 2),
            end_s=round(said.window.end_s, 2),
            text=shortened(said.text),
        )
        for said in found.found.evidence
        if said.window is not None
    ]
    notes = tuple(map(shortened, found.found.notes))
    return FindResult(status="found" if statements else "nothing", statements=tuple(statements), notes=notes)


def _statement(how: Literal["seen", "heard"], text: str, window: Window) -> Statement:
    return Statement(how=how, start_s=round(window.start_s, 2), end_s=round(window.end_s, 2), text=shortened(text))


def _in_words(described: VideoDescription) -> str:
    head = f"{described.title}: {described.duration_s:g} s, {described.width}x{described.height}"
    lines = [f"{line.start_s:.1f}-{line.end_s:.1f} s, {line.how}: {line.text}" for line in described.statements]
    return "\n".join([head, *lines, *described.notes, *filter(None, [described.problem])])


def _one_line(error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        wrong = [f"`{'.'.join(map(str, one['loc']))}`: {_said(one['msg'])}" for one in cause.errors()]
        return f"The arguments cannot be used. {' '.join(wrong)}"
    return " ".join(str(cause if isinstance(cause, ToolError) else error).split())


def _said(message: str) -> str:
    """Return Pydantic's message as one sentence, without its prefix for errors of a validator."""
    return f"{message.removeprefix('Value error, ').removesuffix('.')}."
