"""What the tools of the MCP server do, without the protocol.

A client is untrusted, as on a LangGraph server: it names videos below the media roots and public addresses, and
chooses no models. Finished runs are kept in memory, a limited number of them, under ids that cannot be guessed, so that
a client can ask for the report and the pictures of its own run.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from agentcvr_graph.catalogue import Catalogue, Sources
from agentcvr_graph.errors import InfrastructureError, InputError, VideoError, shown_address
from agentcvr_graph.graph.budget import full_budget
from agentcvr_graph.graph.builder import recursion_limit
from agentcvr_graph.graph.catalogues import list_videos
from agentcvr_graph.graph.compiled import CompiledCVRGraph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.events import Progress
from agentcvr_graph.graph.question import read_videos
from agentcvr_graph.graph.state import CVRInput
from agentcvr_graph.index.places import searching_in
from agentcvr_graph.media.access import Access, limited
from agentcvr_graph.media.source import check_source
from agentcvr_graph.perception.base import Perception, expand, indexed_at_no_cost
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.tools.find import FIND
from agentcvr_graph.tools.listen import LISTEN
from agentcvr_graph.tools.observe import OBSERVE
from agentcvr_graph.tools.spec import AnyToolSpec
from agentcvr_graph.trajectory import Trajectory, trajectory_of
from agentcvr_graph.types import Listen, Observation, Observe, Target, VideoInfo, Window

KEPT_RUNS = 64
MOST_PICTURES = 4
"""Pictures of one run."""

OnProgress = Callable[[str], Awaitable[None]]
Moment = tuple[int, float]
"""The number of a video and a time in it."""


@dataclass(frozen=True)
class FoundEvidence:
    """The result of a search."""

    videos: Catalogue
    found: Observation


@dataclass
class VideoService:
    """Answers questions and describes videos for MCP clients."""

    graph: CompiledCVRGraph
    perception: Perception
    access: Access
    context: CVRContext = field(default_factory=CVRContext)
    thumbnails: Thumbnails | None = None
    """Source of evidence pictures; None where there are none, as in swap mode."""
    finding: AnyToolSpec = FIND
    """The tool that searches the index."""
    _runs: OrderedDict[str, Trajectory] = field(default_factory=OrderedDict[str, Trajectory])

    async def ask(self, given: CVRInput, on_progress: OnProgress) -> tuple[str, Trajectory]:
        """Answer a question. Return the id of the run, and the run.

        Raises:
            InputError: the question or a video cannot be used, or may not be opened.
        """
        config: Any = {"recursion_limit": recursion_limit(self.context)}
        output: Any = None
        with limited(self.access):
            self._check(given["videos"])
            async for mode, event in self.graph.astream(
                given, config, context=self.context, stream_mode=["custom", "values"]
            ):
                if mode == "values":
                    output = event
                else:
                    await on_progress(cast(Progress, event)["text"])
        return self._keep(trajectory_of(output))

    async def describe(
        self, video: str, frames: int, listen: bool, focus: str, on_progress: OnProgress
    ) -> tuple[VideoInfo, list[Observation], str]:
        """Return what a video is, what is seen and heard in it, and why a part of that could not be had.

        Raises:
            InputError: the video cannot be used, or may not be opened.
        """
        with limited(self.access):
            self._check([video])
            (named,) = read_videos([video])
            if (several := await expand(self.perception, named)) is not None:
                first = shown_address(several.videos[0].source)
                raise VideoError(
                    video, f"it stands for {len(several.videos):,} videos.", fix=f"Name one, such as {first}."
                )
            info = await self.perception.probe(named, 1)
            whole = Window(video=1, start_s=0.0, end_s=info.duration_s)
            looks: list[Observe | Listen] = []
            if frames and info.has_picture:
                looks.append(Observe(targets=(Target(**whole.model_dump(), frames=frames),), focus=focus))
            if listen and (info.has_sound or info.has_subtitles):
                looks.append(Listen(window=whole, focus=focus))
            found: list[Observation] = []
            problem = ""
            for look in looks:
                what = OBSERVE.describe(look) if isinstance(look, Observe) else LISTEN.describe(look)
                await on_progress(what)
                try:
                    found.append(await self._perceive(look, info))
                    await on_progress(f"{what}: done")
                except InfrastructureError as error:
                    problem = str(error)
                    await on_progress(f"{what}: failed: {problem}")
        return info, found, problem

    async def find(self, videos: Sequence[str], query: str, limit: int, on_progress: OnProgress) -> FoundEvidence:
        """Search what is seen, said and written in videos.

        Raises:
            InputError: a video cannot be used, or may not be opened.
            ActionError: the query has no words.
            InfrastructureError: the index cannot be used.
        """
        with limited(self.access), searching_in(self.context.memory_namespace):
            self._check([*videos])
            catalogue = await list_videos(self.perception, read_videos([*videos]))
            sources = Sources([], len(catalogue), catalogue, indexed=indexed_at_no_cost(self.perception))
            arguments = self.finding.arguments(query=query, limit=limit)
            request, notes = self.finding.planned(arguments, sources, full_budget(self.context))
            await on_progress(self.finding.describe(request))
            found = await self.finding.run(request, self.perception, sources)
        return FoundEvidence(catalogue, found.model_copy(update={"notes": (*notes, *found.notes)}))

    def run(self, name: str) -> Trajectory:
        """Return a finished run.

        Raises:
            InputError: there is none of that name, or it is too long ago.
        """
        if name not in self._runs:
            fix = f"Ask the question again; the last {KEPT_RUNS} runs are kept."
            raise InputError(f"There is no run {name[:40]!r}.", fix=fix)
        self._runs.move_to_end(name)
        return self._runs[name]

    def moments(self, trajectory: Trajectory) -> list[Moment]:
        """Return the moments of a run that have a picture: the middle observed frame of each visual citation."""
        answer = trajectory.answer
        cited = [one for one in answer.citations if one.modality == "visual"] if answer and self.thumbnails else []
        chosen = [_middle_frame(window, trajectory) for window in cited]
        return list(dict.fromkeys(moment for moment in chosen if moment is not None))[:MOST_PICTURES]

    def _perceive(self, look: Observe | Listen, info: VideoInfo) -> Awaitable[Observation]:
        seen = self.perception.observe if isinstance(look, Observe) else self.perception.listen
        return cast(Any, seen)(look, [info])

    def _check(self, videos: Any) -> None:
        """Refuse videos that may not be opened, also for a perception that opens them without our library."""
        for video in read_videos(videos):
            check_source(video.source, self.access)

    def _keep(self, trajectory: Trajectory) -> tuple[str, Trajectory]:
        name = secrets.token_urlsafe(9)
        self._runs[name] = trajectory
        while len(self._runs) > KEPT_RUNS:
            self._runs.popitem(last=False)
        return name, trajectory


def _middle_frame(cited: Window, trajectory: Trajectory) -> Moment | None:
    middle_s = (cited.start_s + cited.end_s) / 2
    times_s = [
        time_s
        for observation in trajectory.observations
        for window, times in zip(observation.windows, observation.frame_times_s, strict=False)
        if window.video == cited.video
        for time_s in times
        if cited.start_s <= time_s <= cited.end_s
    ]
    return (cited.video, min(times_s, key=lambda time_s: abs(time_s - middle_s))) if times_s else None
