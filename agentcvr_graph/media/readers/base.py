"""The protocol of a frame reader: list the key frames, and decode the frames shown at given times.

A reader belongs to one file and is used by one thread at a time (`Media` holds a lock). It knows neither clips nor
caches, and scales while it decodes, so it never keeps a full-size picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agentcvr_graph.media.display import UPRIGHT, Turn
from agentcvr_graph.media.types import Pixels


class Decoded(NamedTuple):
    """One decoded frame."""

    requested_s: float
    """The requested time, which is the frame's key in the cache."""
    time_s: float
    """The frame's true time."""
    pixels: Pixels


@dataclass(frozen=True)
class PictureInfo:
    """The picture as it is shown, after rotation. Size and rate are zero if the file has no picture."""

    duration_s: float
    fps: float
    width: int
    height: int
    turn: Turn = UPRIGHT
    """How the first picture is shown. decord ignores mirroring."""
    caution: str = ""
    """In what the picture differs from what a player shows; empty if in nothing."""


class Reader(Protocol):
    """Decodes one file."""

    def key_times(self) -> Sequence[float]:
        """Return the times of the key frames, ascending; off by a few frames if the container stores decoding times."""
        ...

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the frames on screen at the ascending `times_s`, scaled to `size` (width, height).

        May also yield frames that were decoded on the way, under the times at which they would be requested.
        """
        ...

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the nearest key frame for each of the ascending `times_s`."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def scaled_size(width: int, height: int, long_side_px: int) -> tuple[int, int]:
    """Return the size with its long side reduced to at most `long_side_px`; both sides even, never enlarged.

    >>> scaled_size(1280, 720, 360)
    (360, 202)
    """
    scale = min(1.0, long_side_px / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def nearest(ascending: Sequence[float], value: float) -> float:
    """Return the member of a non-empty ascending sequence that is nearest to a value."""
    return min(ascending, key=lambda member: abs(member - value))
