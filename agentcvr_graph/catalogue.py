"""The videos of a question by reference, and what is known of those that were opened.

A caller names files, addresses, and references that stand for many videos: a folder, a pattern, all videos of a script.
A `Catalogue` is the list of them all, in order and numbered from 1, without opening any. It may have thousands of
entries, so no state and no message holds it: a checkpoint keeps what the caller named and a `Summary`, by which another
process notices that its list is a different one.

`Sources` is what tools and perceptions get as `videos`. `videos[n - 1]` is video n, as in a list of all videos, if it
was opened. Of the others only the reference is known. Nothing here opens a video or looks at a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

from agentcvr_graph.errors import ActionError, BugError, InfrastructureError
from agentcvr_graph.types import FrozenModel, Video, VideoInfo

MAX_VIDEOS = 100_000
"""Most videos of a question: a limit for untrusted clients."""
LISTED = 20
"""Videos that a question opens and lists at its start. Others are opened when a call names them."""


class Refused(NamedTuple):
    """A file that is named like a video and cannot be one of a reference's videos."""

    source: str
    problem: str


@dataclass(frozen=True)
class Expansion:
    """The videos that one reference stands for."""

    videos: tuple[Video, ...]
    notes: tuple[str, ...] = ()
    """What was left out, such as hidden files."""
    refused: tuple[Refused, ...] = ()
    """Those of the files left out that are named like videos, for a caller that reports each: links to nothing, ..."""


class Part(FrozenModel):
    """A reference that stands for many videos, as it was when the question began."""

    source: str
    count: int
    digest: str


class Summary(FrozenModel):
    """What a checkpoint keeps of a catalogue, besides what the caller named."""

    count: int
    digest: str
    """Equal for equal lists of references."""
    parts: tuple[Part, ...] = ()
    """The references that stand for many videos."""
    notes: tuple[str, ...] = ()
    """What was left out."""


class UnopenedError(ActionError):
    """Raised when a video is asked for that was not opened yet."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Video {number} has not been opened; observe it or listen to it first.")


class Catalogue:
    """All videos of a question, in order.

    Args:
        parts: what the caller named, each with the videos that it stands for; None for a video itself.
    """

    def __init__(self, parts: Iterable[tuple[Video, Expansion | None]]) -> None:
        videos: list[Video] = []
        found: list[Part] = []
        notes: list[str] = []
        named: set[int] = set()
        starts: list[int] = []
        for given, expansion in parts:
            starts.append(len(videos) + 1)
            if expansion is None:
                videos.append(given)
                named.add(len(videos))
            else:
                videos += expansion.videos
                digest = digest_of(expansion.videos)
                found.append(Part(source=given.source, count=len(expansion.videos), digest=digest))
                notes += expansion.notes
        self.videos = tuple(videos)
        self.named = frozenset(named)
        """Numbers of the videos that the caller named one by one."""
        self.starts = tuple(starts)
        """Number of the first video of each thing that the caller named."""
        self.summary = Summary(
            count=len(videos), digest=digest_of(videos), parts=tuple(found), notes=tuple(dict.fromkeys(notes))
        )

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, number: int) -> Video:
        """Return the reference of a video, by its number from 1."""
        if not 1 <= number <= len(self.videos):
            raise IndexError(number)
        return self.videos[number - 1]


class Sources(Sequence[VideoInfo]):
    """The videos of a question: `videos[n - 1]` is what is known of video n, if it was opened.

    Args:
        opened: what is known of the videos that were opened, in any order.
        count: number of all videos; that of the opened ones if None.
        catalogue: the references of all videos, where they are at hand.
        failed: why a video could not be opened because of infrastructure, by number.
        indexed: whether the perception has the evidence of all videos at hand at no cost; None if that is not known.
    """

    def __init__(
        self,
        opened: Iterable[VideoInfo],
        count: int | None = None,
        catalogue: Catalogue | None = None,
        failed: Mapping[int, InfrastructureError] | None = None,
        indexed: bool | None = None,
    ) -> None:
        self._opened = {info.number: info for info in opened}
        self._count = len(self._opened) if count is None else count
        self.catalogue = catalogue
        self._failed = failed or {}
        self.wanted: set[int] = set()
        """Numbers of videos that were asked for and are not open."""
        self.indexed = indexed
        self.index_wanted = False
        """Whether it was asked for `indexed` while that was not known."""
        self.unlisted: InfrastructureError | None = None
        """Why the references are not at hand, where listing them failed."""
        self.references_wanted = False
        """Whether the references of all videos were asked for while they were not at hand."""

    @property
    def index_costs(self) -> bool:
        """Whether an index of the videos must be paid for; True while that is not known."""
        self.index_wanted = self.indexed is None
        return not self.indexed

    def require_references(self) -> None:
        """Ask for the references of all videos.

        Raises:
            InfrastructureError: they could not be listed.
        """
        if self.unlisted is not None:
            raise self.unlisted
        self.references_wanted = self.catalogue is None and len(self._opened) < self._count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> VideoInfo: ...
    @overload
    def __getitem__(self, index: slice) -> list[VideoInfo]: ...
    def __getitem__(self, index: int | slice) -> VideoInfo | list[VideoInfo]:
        """Return what is known of a video, by its place from 0.

        Raises:
            UnopenedError: it was not opened.
            InfrastructureError: it could not be opened.
        """
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        number = index + 1 if index >= 0 else self._count + index + 1
        info = self._opened.get(number)
        if info is not None:
            return info
        if not 1 <= number <= self._count:
            raise IndexError(index)
        if number in self._failed:
            raise self._failed[number]
        self.wanted.add(number)
        raise UnopenedError(number)

    @property
    def opened(self) -> list[VideoInfo]:
        """What is known of the videos that were opened, by number."""
        return [self._opened[number] for number in sorted(self._opened)]

    def reference(self, number: int) -> Video:
        """Return the reference of a video, whether it was opened or not.

        Raises:
            IndexError: there is no video of that number.
        """
        if (info := self._opened.get(number)) is not None:
            return info.video
        if self.catalogue is None:
            raise BugError(f"The reference of video {number} is not at hand: the tool needs `reaches_all=True`.")
        return self.catalogue[number]


def opened_of(videos: Sequence[VideoInfo]) -> Sequence[VideoInfo]:
    """Return the videos that were opened: all of a plain list."""
    return videos.opened if isinstance(videos, Sources) else videos


def digest_of(videos: Iterable[Video]) -> str:
    """Return a text that is equal for equal lists of references."""
    found = hashlib.blake2b(digest_size=16)
    for video in videos:
        fields = video.source, video.title, video.fps, video.boxes, video.objects
        found.update(repr(fields).encode("utf-8", "surrogatepass"))
    return found.hexdigest()
