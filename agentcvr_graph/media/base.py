"""A library of media and a clip of it, as protocols: decoding may happen in this process or in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agentcvr_graph.media.types import Cue, Frame, Samples
from agentcvr_graph.types import Video


@dataclass(frozen=True)
class MediaInfo:
    """What is known of a clip without decoding it."""

    content_id: str
    """The same for the same bytes, wherever they lie; different for another clip of them."""
    duration_s: float
    fps: float
    width: int
    height: int
    has_sound: bool
    has_subtitles: bool


class Clip(Protocol):
    """Frames, sound and subtitles of a clip, in its own time. Synchronous, and safe to call from many threads."""

    @property
    def info(self) -> MediaInfo: ...

    def frames(self, times_s: Sequence[float]) -> tuple[Frame, ...]:
        """The frames on screen at ascending times, each with its own true time.

        Raises:
            InfrastructureError: there is no picture, or it cannot be decoded.
        """
        ...

    def sound(self, start_s: float, end_s: float) -> Samples:
        """Samples of a window, 16 kHz mono.

        Raises:
            InfrastructureError: there is no sound track, or it cannot be decoded.
        """
        ...

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """Subtitles that overlap a window, clipped at its edges."""
        ...


class Library(Protocol):
    """Opens videos."""

    cache_dir: Path
    cache_bytes: int
    long_side_px: int

    def open(self, video: Video) -> Clip:
        """The clip that a video string means. Cheap for one that is open already and has not changed since.

        Raises:
            VideoError: missing, unreadable, too large, not a video, or a clip beyond its end.
        """
        ...

    def close(self) -> None:
        """Let go of files and processes. What is used after it is opened again."""
        ...
