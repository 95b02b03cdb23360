"""THE SEAM. Everything above this line is the same for real video and for the text simulator.

A perception answers typed requests with typed observations. It does not know the question, the options, the master,
the budget or how its observations are worded for the master (`render.py` does that once, for every perception): so two
perceptions can differ in what is seen and in nothing else.

The contract of an implementation:

- requests are valid when they arrive: the video numbers exist, `0 <= start_s < end_s <= duration_s`, frames >= 1;
- `windows` of the observation are the windows of the request, in the request's order;
- an observation holds nothing from outside its windows and nothing of the other modality;
- what fails is raised: `VideoError` from `probe`, `InfrastructureError` (with `transient`) from `observe` and `listen`;
- every method may be called many times at once, from one event loop, and must not block it;
- `videos` may be a `Sources`: only the videos of the request are sure to be open, so ask for no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.types import Listen, Observation, Observe, Video, VideoInfo


@runtime_checkable
class Perception(Protocol):
    """What the visual agent and the audio agent call."""

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Find out length, size and tracks of a video without decoding it.

        Raises:
            VideoError: the video is missing, unreadable, too large or not a video.
        """
        ...

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Look at the request's windows; `videos[n - 1]` is video n.

        Raises:
            InfrastructureError: the decoder, the vision model or its server failed.
        """
        ...

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Listen to the request's window; `videos[n - 1]` is video n.

        Raises:
            InfrastructureError: the decoder, the transcriber or its server failed.
        """
        ...


class Expands(Protocol):
    """A perception that knows references that stand for many videos: a folder, a pattern, all videos of a script."""

    async def expand(self, video: Video) -> Expansion | None:
        """Return the videos that a reference stands for, without probing them; None if it is a video itself.

        Raises:
            VideoError: the reference stands for many videos, and there are none or they cannot be listed.
        """
        ...


async def expand(perception: Perception, video: Video) -> Expansion | None:
    """Return the videos that a reference stands for; None if it is a video itself, as it is for most perceptions."""
    known = getattr(perception, "expand", None)  # a protocol's check is slow
    return None if known is None else await cast(Expands, perception).expand(video)


@runtime_checkable
class Indexable(Protocol):
    """A perception whose evidence can be kept in an index; optional.

    Evidence of other perceptions is indexed in memory, for each perception object.
    """

    @property
    def index_folder(self) -> Path | None:
        """Where the index is stored. None for evidence that costs nothing: it is indexed in memory, when it is needed,
        and counts as indexed beforehand."""
        ...

    def reference_key(self, video: Video) -> str:
        """Return a key of a reference and of everything else that the evidence depends on, without looking at files.

        The index knows by it which of thousands of videos it holds, and asks for their stamps only when they are found.
        """
        ...

    async def reference_stamp(self, video: Video) -> str:
        """Return a text that changes when the video does; empty where that cannot be known without fetching it.

        Raises:
            VideoError: the video is missing, or may not be read.
        """
        ...

    async def evidence_key(self, info: VideoInfo) -> str:
        """Return a key of everything that the evidence about a video depends on, such as content and model names.

        Raises:
            VideoError, InfrastructureError: the video can no longer be read.
        """
        ...


@runtime_checkable
class Reworded(Protocol):
    """A perception that words the observations of another one differently; optional. The other one is indexed."""

    @property
    def plain(self) -> Perception:
        """The perception whose observations are reworded."""
        ...


def indexed_of(perception: Perception) -> Perception:
    """Return the perception whose evidence an index holds: the one that a perception rewords, else itself."""
    return perception.plain if isinstance(perception, Reworded) else perception


def indexed_at_no_cost(perception: Perception) -> bool:
    """Return whether the evidence of a perception counts as indexed beforehand."""
    indexed = indexed_of(perception)
    return isinstance(indexed, Indexable) and indexed.index_folder is None
