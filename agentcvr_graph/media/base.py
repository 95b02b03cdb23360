"""Protocols for a media library and its clips, so that decoding may happen in this process or in another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.media.types import Cue, Frame, Note, Samples
from agentcvr_graph.types import Modality, Tracks, Video
from agentcvr_graph.views import View


@dataclass(frozen=True)
class MediaInfo:
    """Metadata of a clip, known without decoding it."""

    content_id: str
    """Equal for the same clip of the same bytes, wherever the file lies; different for another clip of the file."""
    duration_s: float
    fps: float
    width: int
    height: int
    has_sound: bool
    has_subtitles: bool
    tracks: Tracks = field(default_factory=Tracks)
    """The tracks that were chosen."""
    notes: tuple[Note, ...] = ()
    """What was found when the file was opened, such as that it is cut off."""
    picture_s: tuple[float, float] = (0.0, math.inf)
    """From when until when there is a picture. Where another track is longer, the nearest picture is shown."""


class Clip(Protocol):
    """Frames, sound and subtitles of a clip. Times count from the clip's start. Synchronous and thread-safe."""

    @property
    def info(self) -> MediaInfo: ...

    def frames(self, times_s: Sequence[float], view: View | None = None) -> tuple[Frame, ...]:
        """Return the frames on screen at ascending times, each with its true time.

        Args:
            view: the part of the picture to show, and how large; None for the whole picture at the library's size.

        Raises:
            InfrastructureError: there is no picture, or it cannot be decoded.
        """
        ...

    def sound(self, start_s: float, end_s: float) -> Samples:
        """Return the samples of a window, 16 kHz mono.

        Raises:
            InfrastructureError: there is no sound track, or it cannot be decoded.
        """
        ...

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """Return the subtitles that overlap a window, with their times clipped to it."""
        ...

    def notes(self, start_s: float, end_s: float, modality: Modality | None = None) -> tuple[str, ...]:
        """Return what is known so far about a window, such as that its picture could not be decoded.

        With a modality, only what concerns it.
        """
        ...

    def all_notes(self) -> tuple[Note, ...]:
        """Return what is known so far about the clip."""
        ...


class Library(Protocol):
    """Opens videos as clips."""

    cache_dir: Path
    cache_bytes: int
    long_side_px: int

    def open(self, video: Video) -> Clip:
        """Return the clip that a video string names. Cheap if it is already open and has not changed.

        Raises:
            VideoError: the file is missing, unreadable, too large or not a video, or the clip starts after its end.
        """
        ...

    def stamp(self, video: Video) -> str:
        """Return a text that changes when the file or a subtitle file beside it does, without opening them.

        Raises:
            VideoError: the file is not allowed or missing.
        """
        ...

    def expand(self, video: Video) -> Expansion | None:
        """Return the videos that a folder or a pattern stands for, without opening any; None for one video.

        Raises:
            VideoError: there is no video, or the folder may not be read.
        """
        ...

    def close(self) -> None:
        """Close files and stop processes. A later use opens them again."""
        ...
