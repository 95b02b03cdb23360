"""Extract many videos: each is stored as soon as it is done, those that have not changed are left alone.

The worker of a job engine extracts a video, in this process or on a cluster; this process alone writes the file. What
fails is tried again by the next run: a video that cannot be read, which costs one line and nothing else, and the parts
of a video for which a model or the decoder failed. The other parts are then in the cache.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from agentcvr_graph.errors import InfrastructureError, InputError, VideoError
from agentcvr_graph.index.batch import expanded, perception_of, problem_of, results_of
from agentcvr_graph.media.source import resolved
from agentcvr_graph.models.providers.offline import Offline
from agentcvr_graph.models.registry import default_concurrency, read_model_string
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.render import with_escapes
from agentcvr_graph.scripts.extraction.extract import EVERY_S, extract_video, key_of, planned_cost
from agentcvr_graph.scripts.extraction.extracted import ExtractedFile, ExtractedVideo
from agentcvr_graph.types import Cost, Video, VideoInfo
from agentcvr_graph.utils.cancellation import run_in_thread
from agentcvr_graph.utils.concurrency import in_order
from agentcvr_graph.utils.engines import make_engine

PER_ENDPOINT = 16
"""Videos at a time if a model is behind an endpoint."""
PROBES_AT_ONCE = 8
"""Videos whose headers are read at the same time."""


@dataclass(frozen=True)
class Models:
    """The model strings, and how often a moving picture is looked at."""

    vision: str = "offline"
    audio: str = "offline"
    every_s: float = EVERY_S


@dataclass(frozen=True)
class ExtractJob:
    """A video to extract."""

    video: Video
    name: str
    key: str


@dataclass(frozen=True)
class ExtractResult:
    """What became of a video."""

    name: str
    extracted: ExtractedVideo | None = None
    problem: str = ""
    """Why it could not be extracted; empty if it was."""
    may_pass: bool = False

    @property
    def failed_parts(self) -> tuple[str, ...]:
        """Return which parts failed of a video that was extracted."""
        return self.extracted.failed if self.extracted else ()


@dataclass
class Plan:
    """What a run will do."""

    jobs: list[ExtractJob] = field(default_factory=list[ExtractJob])
    unchanged: int = 0
    again: int = 0
    """Jobs whose video was extracted before without parts that failed."""
    problems: list[ExtractResult] = field(default_factory=list[ExtractResult])
    """Videos that cannot be read."""
    notes: tuple[str, ...] = ()
    """What was left out of folders and patterns."""
    duration_s: float = 0.0
    cost: Cost = field(default_factory=Cost)
    """What the jobs cost at most."""


class ExtractWorker:
    """Extracts videos; a `Worker` of the job engines."""

    def __init__(self, perception: LivePerception, every_s: float) -> None:
        self._perception, self._every_s = perception, every_s

    @classmethod
    def of(cls, models: Models) -> ExtractWorker:
        """Return a worker with these models.

        Raises:
            SetupError: a model or a package is missing.
        """
        return cls(perception_of(models.vision, models.audio), models.every_s)

    async def run(self, job: ExtractJob) -> ExtractResult:
        """Extract a video. Whatever fails is recorded, unless no video can be extracted.

        Raises:
            SetupError: no video can be extracted.
        """
        try:
            found = await extract_video(job.video, job.name, job.key, self._perception, self._every_s)
        except (InputError, InfrastructureError) as error:
            return failed_result(job, error)
        return ExtractResult(job.name, found)

    def close(self) -> None:
        """Release files and processes."""
        self._perception.media.close()


def failed_result(job: ExtractJob, error: Exception) -> ExtractResult:
    """Return the result of a job that failed."""
    problem, may_pass = problem_of(error)
    return ExtractResult(job.name, problem=problem, may_pass=may_pass)


async def plan(given: Sequence[Video], file: ExtractedFile, models: Models) -> Plan:
    """Find out which videos are to be extracted, and what that costs at most. Nothing is decoded.

    Raises:
        InputError: a folder or a pattern stands for no video.
        SetupError: a model or a package is missing.
    """
    perception = perception_of(models.vision, models.audio)
    found = Plan()
    try:
        listed = await expanded(given, perception)
        videos = {with_escapes(video.source): video for video in listed.videos}
        jobs = [await _job(name, video, perception, models.every_s) for name, video in videos.items()]
        once, doubled = _without_doubled(jobs, file)
        left = [job for job in once if not _is_done(job, file)]
        probed = await in_order(lambda job: _probed(job, perception), left, PROBES_AT_ONCE)
    finally:
        perception.media.close()
    found.notes = (*listed.notes, *doubled)
    found.problems = [ExtractResult(with_escapes(source), problem=problem) for source, problem in listed.refused]
    found.problems += [one for one in (*jobs, *probed) if isinstance(one, ExtractResult)]
    found.unchanged = len(once) - len(left)
    found.again = sum(_is_same(job, file) for job in left)
    for job, info in zip(left, probed, strict=True):
        if isinstance(info, VideoInfo):
            found.jobs.append(job)
            found.duration_s += info.duration_s
            found.cost += planned_cost(
                info, models.every_s, vision_calls=_counts(models.vision), audio_calls=_counts(models.audio)
            )
    return found


def _counts(model: str) -> bool:
    """Return whether the calls of a model are counted."""
    return not isinstance(read_model_string(model), Offline)


def _without_doubled(
    jobs: Sequence[ExtractJob | ExtractResult], file: ExtractedFile
) -> tuple[list[ExtractJob], list[str]]:
    """Return one job for each file, and a note for each other spelling of it, also of one that was extracted before."""
    names = {video.key: name for name, video in file.videos.items()}
    once: list[ExtractJob] = []
    notes: list[str] = []
    for job in jobs:
        if isinstance(job, ExtractJob):
            first = names.setdefault(job.key, job.name)
            if first == job.name:
                once.append(job)
            else:
                notes.append(f"{job.name} is the same file as {first}, and is extracted under that name")
    return once, notes


def _is_done(job: ExtractJob, file: ExtractedFile) -> bool:
    return _is_same(job, file) and not file.videos[job.name].failed


def _is_same(job: ExtractJob, file: ExtractedFile) -> bool:
    """Return whether the file has this video, and it has not changed since."""
    known = file.videos.get(job.name)
    return known is not None and known.key == job.key


async def _job(name: str, video: Video, perception: LivePerception, every_s: float) -> ExtractJob | ExtractResult:
    try:
        stamp = await perception.reference_stamp(video)
    except VideoError as error:
        return failed_result(ExtractJob(video, name, ""), error)
    place = await run_in_thread(resolved, video)
    return ExtractJob(video, name, key_of(place, stamp, perception, every_s))


async def _probed(job: ExtractJob, perception: LivePerception) -> VideoInfo | ExtractResult:
    try:
        return await perception.probe(job.video, 1)
    except (VideoError, InfrastructureError) as error:
        return failed_result(job, error)


async def extract_videos(
    planned: Plan, file: ExtractedFile, models: Models, *, engine: str = "local", concurrency: int | None = None
) -> AsyncIterator[ExtractResult]:
    """Extract the planned videos, store each, and yield its result.

    Args:
        engine: `local`, or `ray` for a cluster.
        concurrency: videos at a time; None for 2, or more with models on a server.

    Raises:
        InputError: there is no such engine.
        SetupError: no video can be extracted.
        InfrastructureError: too many videos in a row failed, and all of those failures may pass.
    """
    at_once = concurrency or default_concurrency((models.vision, models.audio), PER_ENDPOINT)
    making = make_engine(engine, functools.partial(ExtractWorker.of, models), failed_result)
    async with aclosing(results_of(making, planned.jobs, at_once)) as results:
        async for result in results:
            if result.extracted is not None:
                await asyncio.to_thread(file.add, result.extracted)
            yield result
