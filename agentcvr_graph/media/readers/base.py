"""What a reader of pictures does: tell where the key frames are, and decode the frames shown at given times.

A reader belongs to one file and one thread at a time (`Media` holds a lock around it), knows neither clips nor caches,
and scales while it decodes: a full-size picture is never kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agentcvr_graph.media.types import Pixels


class Decoded(NamedTuple):
    """One decoded frame."""

    asked_s: float
    """The time it was asked for, which is its key."""
    time_s: float
    """Its own time."""
    pixels: Pixels


@dataclass(frozen=True)
class PictureInfo:
    """The picture as it is shown, that is, turned upright. Size and rate are zero where there is none."""

    duration_s: float
    fps: float
    width: int
    height: int


class Reader(Protocol):
    """Decodes one file."""

    def key_times(self) -> Sequence[float]:
        """Times of the key frames, ascending; off by a few frames where the container stores decoding times."""
        ...

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """The frames on screen at the ascending `times_s`, scaled to `size` (width, height).

        May yield further frames that were decoded on the way, under the times they would be asked for.
        """
        ...

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """For each of the ascending `times_s`, the key frame nearest to it."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def scaled_size(width: int, height: int, long_side_px: int) -> tuple[int, int]:
    """The size with the long side at most `long_side_px`, even and never enlarged.

    >>> scaled_size(1280, 720, 360)
    (360, 202)
    """
    scale = min(1.0, long_side_px / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def nearest(ascending: Sequence[float], value: float) -> float:
    """The member of a non-empty ascending sequence that is nearest to a value."""
    return min(ascending, key=lambda member: abs(member - value))
