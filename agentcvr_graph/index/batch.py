"""Index many videos beforehand: only those that changed, each stored as soon as it is done, on one machine or many.

The worker of a job engine makes the statements of a video; this process alone writes the index. A run that was killed
loses the videos that were in progress, and what was perceived of them is still in the cache of the media library.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import CVRError, InfrastructureError, InputError, VideoError
from agentcvr_graph.index.building import Entry, addition_of, key_of, place_of, reference_of
from agentcvr_graph.index.overview import overview_of
from agentcvr_graph.index.store import Addition, EvidenceStore
from agentcvr_graph.perception.base import Indexable, expand
from agentcvr_graph.types import Cost, Video
from agentcvr_graph.utils.engines import Engine, make_engine

if TYPE_CHECKING:
    from agentcvr_graph.perception.live import LivePerception

MOST_FAILURES = 20
"""Failures in a row after which a run stops, if every one of them may pass: a server is down."""


class VideoResult(Protocol):
    """What became of a video."""

    @property
    def problem(self) -> str:
        """Why nothing came of it."""
        ...

    @property
    def may_pass(self) -> bool:
        """Whether a later run may succeed."""
        ...


Job = TypeVar("Job")
Result = TypeVar("Result", bound=VideoResult)


@dataclass(frozen=True)
class IndexJob:
    """A video to index."""

    video: Video
    reference: str
    stamp: str


@dataclass(frozen=True)
class IndexResult:
    """What became of a video."""

    job: IndexJob
    addition: Addition | None = None
    cost: Cost = field(default_factory=Cost)
    problem: str = ""
    """Why it could not be indexed; empty if it was."""
    may_pass: bool = False
    missing: tuple[str, ...] = ()
    """Parts of an indexed video that could not be observed, each with the reason."""


@dataclass
class Totals:
    """Running totals of a run, for progress."""

    planned: int = 0
    indexed: int = 0
    incomplete: int = 0
    """Those of them with parts that could not be observed."""
    unchanged: int = 0
    failed: int = 0
    statements: int = 0
    cost: Cost = field(default_factory=Cost)
    videos: list[int] = field(default_factory=list[int])
    """Ids in the index of those videos that are there now."""
    notes: tuple[str, ...] = ()
    """What was left out of folders and patterns."""

    @property
    def done(self) -> int:
        return self.indexed + self.unchanged + self.failed


class IndexWorker:
    """Makes the statements of videos; a `Worker` of the job engines."""

    def __init__(self, perception: LivePerception) -> None:
        self._perception = perception

    @classmethod
    def of(cls, vision: str, audio: str) -> IndexWorker:
        """Return a worker with the models of these strings.

        Raises:
            SetupError: a model or a package is missing.
        """
        return cls(perception_of(vision, audio))

    async def run(self, job: IndexJob) -> IndexResult:
        """Observe and listen to a video. Whatever fails is recorded, unless no video can be indexed.

        Raises:
            SetupError: no video can be indexed.
        """
        try:
            info = await self._perception.probe(job.video, 1)
            entry = Entry(info, await key_of(info, self._perception))
            overview = await overview_of(info, self._perception)
        except (InputError, InfrastructureError) as error:
            return failed_result(job, error)
        return IndexResult(job, addition_of(entry, overview), overview.cost, missing=overview.missing)

    def close(self) -> None:
        """Release files and processes."""
        self._perception.media.close()


def perception_of(vision: str, audio: str) -> LivePerception:
    """Return a perception that decodes in processes of its own: a file may crash its decoder.

    Raises:
        SetupError: a model or a package is missing.
    """
    from agentcvr_graph.perception.factory import isolated_media, resolve_perception

    return resolve_perception(vision, audio, media=isolated_media())


def failed_result(job: IndexJob, error: Exception) -> IndexResult:
    """Return the result of a job that failed."""
    problem, may_pass = problem_of(error)
    return IndexResult(job, problem=problem, may_pass=may_pass)


def problem_of(error: Exception) -> tuple[str, bool]:
    """Return why a video could not be used, in one line, and whether that may pass."""
    known = error.problem if isinstance(error, VideoError) else str(error)
    problem = known if isinstance(error, CVRError) else f"The cluster failed: {type(error).__name__}: {error}"
    return problem, getattr(error, "transient", not isinstance(error, CVRError))


async def index_videos(
    given: Sequence[Video],
    store: EvidenceStore,
    vision: str,
    audio: str,
    *,
    engine: str = "local",
    concurrency: int = 2,
    on_result: Callable[[IndexResult | None, Totals], None] = lambda result, totals: None,
) -> Totals:
    """Index videos, folders and patterns. Videos that have not changed since they were indexed are left alone.

    Args:
        vision, audio: model strings.
        engine: `local`, or `ray` for a cluster.
        concurrency: videos at a time.
        on_result: called after each video with its result; with None for the unchanged ones together.

    Raises:
        InputError: there is no such video, or no such engine.
        SetupError: no video can be indexed.
        InfrastructureError: the index cannot be written, or too many videos in a row failed.
    """
    perception = perception_of(vision, audio)
    try:
        found = await expanded(given, perception)
        jobs, failures = await _jobs(found, perception)
    finally:
        perception.media.close()
    links = await asyncio.to_thread(store.links)
    unchanged = {job.reference for job in jobs if (link := links.get(job.reference)) and link.stamp == job.stamp}
    left = [job for job in jobs if job.reference not in unchanged]
    totals = Totals(planned=len(jobs) + len(failures), unchanged=len(unchanged), notes=found.notes)
    totals.videos = [links[job.reference].video for job in jobs if job.reference in unchanged]
    on_result(None, totals)
    for failure in failures:
        totals.failed += 1
        on_result(failure, totals)
    making = make_engine(engine, functools.partial(IndexWorker.of, vision, audio), failed_result)
    async with aclosing(results_of(making, left, concurrency)) as results:
        async for result in results:
            await asyncio.to_thread(_store, result, store, totals)
            on_result(result, totals)
    return totals


async def results_of(engine: Engine[Job, Result], jobs: Sequence[Job], concurrency: int) -> AsyncGenerator[Result]:
    """Run jobs about one video each, and yield their results.

    Raises:
        InfrastructureError: too many videos in a row failed, and all of those failures may pass.
    """
    waiting, in_a_row = iter(jobs), 0
    async with aclosing(engine.run(lambda: next(waiting, None), concurrency)) as results:
        async for result in results:
            yield result
            in_a_row = in_a_row + 1 if result.may_pass else 0
            if in_a_row >= MOST_FAILURES + concurrency:
                raise InfrastructureError(
                    f"The last {in_a_row} videos all failed: {result.problem}", fix="Fix the cause, then run again."
                )


async def _jobs(found: Expansion, perception: LivePerception) -> tuple[list[IndexJob], list[IndexResult]]:
    """Return a job for each video, once for each reference, and the failures of those that cannot be read."""
    jobs: dict[str, IndexJob] = {}
    failures = [IndexResult(IndexJob(Video(source=source), "", ""), problem=why) for source, why in found.refused]
    for video in found.videos:
        reference = reference_of(video, cast(Indexable, perception))
        try:
            jobs[reference] = IndexJob(video, reference, await perception.reference_stamp(video))
        except VideoError as error:
            failures.append(failed_result(IndexJob(video, reference, ""), error))
    return list(jobs.values()), failures


async def expanded(given: Iterable[Video], perception: LivePerception) -> Expansion:
    """Return all videos that references stand for, with what was left out.

    Raises:
        InputError: a folder or a pattern stands for no video.
    """
    found = [(await expand(perception, video)) or Expansion((video,)) for video in given]
    return Expansion(
        tuple(video for one in found for video in one.videos),
        tuple(note for one in found for note in one.notes),
        tuple(refused for one in found for refused in one.refused),
    )


def _store(result: IndexResult, store: EvidenceStore, totals: Totals) -> None:
    totals.cost += result.cost
    if result.addition is None:
        totals.failed += 1
        return
    store.add_all([result.addition])
    video = store.known([result.addition.key])[result.addition.key]
    store.link(result.job.reference, place_of(result.job.video), result.job.stamp, video)
    totals.videos.append(video)
    totals.indexed += 1
    totals.incomplete += bool(result.missing)
    totals.statements += len(result.addition.statements)


def places_below(given: Sequence[str], places: Iterable[str]) -> Iterator[str]:
    """Yield the places that are one of the given files, or lie in one of the given folders."""
    wanted = [Path(one).absolute() for one in given]
    for place in places:
        path = Path(place).absolute()
        if place in given or any(path == one or one in path.parents for one in wanted):
            yield place
