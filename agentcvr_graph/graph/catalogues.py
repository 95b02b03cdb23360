"""List the videos of a question, keep the list for the process, and probe its first videos.

A catalogue is listed once for a question and kept by its digest in the graph's process, so its numbers stay the same
while a folder changes. Another process lists it again. If that list is another one, a number may mean another video,
so no further video is opened, and the error names what changed; videos that were opened stay usable.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from agentcvr_graph.catalogue import LISTED, MAX_VIDEOS, Catalogue, Expansion, Part, Sources, Summary, digest_of
from agentcvr_graph.errors import InfrastructureError, InputError, SetupError, VideoError, shown_address
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.perception.base import Perception, expand
from agentcvr_graph.types import Video, VideoInfo


class UnreadableError(InputError):
    """Raised when videos of a question cannot be listed or opened. `videos` are the sources of these."""

    def __init__(self, problems: Sequence[str], videos: Iterable[Video]) -> None:
        super().__init__("\n".join(problems))
        self.videos = frozenset(video.source for video in videos)


async def list_videos(perception: Perception, given: Sequence[Video]) -> Catalogue:
    """Return all videos that a caller named, without opening any.

    Raises:
        InputError: a reference stands for many videos and cannot be listed, or there are too many; the message names
            each reference.
    """
    parts: list[tuple[Video, Expansion | None]] = []
    problems: list[str] = []
    unreadable: list[Video] = []
    for video in given:
        try:
            parts.append((video, await expand(perception, video)))
        except InputError as error:
            problems.append(str(error))
            unreadable.append(video)
    if problems:
        raise UnreadableError(problems, unreadable)
    catalogue = Catalogue(parts)
    if not len(catalogue):
        raise InputError("There is no video to look at.", fix="Name at least one file, folder or URL.")
    if len(catalogue) > MAX_VIDEOS:
        raise InputError(f"{len(catalogue):,} videos are too many.", fix=f"Ask about at most {MAX_VIDEOS:,}.")
    return catalogue


async def probe_all(perception: Perception, videos: Sequence[Video], context: CVRContext) -> list[VideoInfo]:
    """Probe all videos of a list concurrently.

    Raises:
        InputError: no video can be read, or one cannot and the context says `stop`; the message names each of them.
    """
    return await probe_first(perception, Catalogue((video, None) for video in videos), context, len(videos))


async def probe_first(
    perception: Perception, catalogue: Catalogue, context: CVRContext, most: int = LISTED
) -> list[VideoInfo]:
    """Probe the first videos of a catalogue concurrently.

    Raises:
        InputError: none of them can be read, or one cannot that the caller named, and the context says `stop`.
    """
    numbers = range(1, min(most, len(catalogue)) + 1)
    found = await asyncio.gather(*(probe(perception, catalogue[number], number) for number in numbers))
    problems = [info.problem for info in found if info.problem]
    fatal = problems if len(problems) == len(found) else _of_named(found, catalogue)
    if fatal and (fatal is problems or context.unreadable == "stop"):
        raise UnreadableError(fatal, (info.video for info in found if info.problem))
    return found


def _of_named(found: Sequence[VideoInfo], catalogue: Catalogue) -> list[str]:
    """Return the problems of videos that the caller named; one among the files of a folder need not stop a run."""
    return [info.problem for info in found if info.problem and info.number in catalogue.named]


async def probe(perception: Perception, video: Video, number: int) -> VideoInfo:
    """Return what is known of a video, or why it cannot be read.

    Raises:
        SetupError: the perception returns something else.
    """
    try:
        found = cast(object, await perception.probe(video, number))
    except VideoError as error:
        return VideoInfo(number=number, video=video, problem=str(error))
    if not isinstance(found, VideoInfo):
        raise SetupError(
            f"`probe` of {type(perception).__name__} returned {type(found).__name__} for video {number}.",
            fix="Return a `VideoInfo`.",
        )
    return found


class Catalogues:
    """The last catalogues that a graph listed in this process, by digest."""

    KEPT = 16
    """Catalogues that are kept whatever their length."""
    MOST = 512
    """Catalogues that are kept at most."""
    MOST_REFERENCES = 400_000
    """References of more than `KEPT` catalogues together."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Catalogue] = OrderedDict()

    def keep(self, catalogue: Catalogue) -> None:
        """Keep a catalogue, and drop the oldest ones if they are too many."""
        self._kept[catalogue.summary.digest] = catalogue
        self._kept.move_to_end(catalogue.summary.digest)
        while len(self._kept) > self.MOST or (len(self._kept) > self.KEPT and self._references > self.MOST_REFERENCES):
            self._kept.popitem(last=False)

    @property
    def _references(self) -> int:
        return sum(map(len, self._kept.values()))

    async def again(self, perception: Perception, given: Sequence[Video], summary: Summary) -> Catalogue:
        """Return the catalogue of a summary; list it again if it is not at hand.

        Raises:
            InfrastructureError: the list is another one now; names what changed.
        """
        kept = self._kept.get(summary.digest)
        if kept is not None:
            return kept
        if not given:
            raise InfrastructureError("The list of videos is no longer at hand here.", fix="Ask again.")
        try:
            catalogue = await list_videos(perception, given)
        except InputError as error:
            raise InfrastructureError(f"The videos can no longer be listed: {error}") from error
        if catalogue.summary.digest != summary.digest:
            raise InfrastructureError(_changed(summary, catalogue.summary))
        self.keep(catalogue)
        return catalogue


def _changed(before: Summary, now: Summary) -> str:
    """Return which references stand for other videos than before."""
    parts = [_part_changed(one, other) for one, other in zip(before.parts, now.parts, strict=False) if one != other]
    what = "; ".join(parts) or f"there were {before.count} videos, and there are {now.count}"
    return f"The list of videos changed while the question was answered, so no other video can be opened: {what}."


def _part_changed(before: Part, now: Part) -> str:
    name = shown_address(before.source)
    if before.count == now.count:
        return f"{name} holds other files than before"
    return f"{name} held {before.count} videos and holds {now.count} now"


def sources_of(state: Mapping[str, Any]) -> Sources:
    """Return the videos of a question from the state, or from what `Send` passes."""
    return Sources(state["sources"], count_of(state))


def count_of(state: Mapping[str, Any]) -> int:
    """Return the number of all videos of a question."""
    summary: Summary | None = state.get("catalogue")
    return summary.count if summary else len(state["sources"])


def count_kept(state: Mapping[str, Any], catalogue: Catalogue, listed: Sequence[VideoInfo]) -> int:
    """Return how many videos a thread's last question was about, if this list begins with the same ones; else 0.

    Args:
        listed: the first ones, which were probed again.
    """
    before: Summary | None = state.get("catalogue")
    if before is None or digest_of(catalogue.videos[: before.count]) != before.digest:
        return 0
    known: Sequence[VideoInfo] = state.get("sources") or ()
    again = [info for info in listed if info.number <= before.count]
    return before.count if known[: len(again)] == again else 0
