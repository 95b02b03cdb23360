"""Time of a clip against time of its file: a clip is one stretch of a file, or several, put one behind the other.

CrossVid's segments are such lists of intervals. A clip's own time runs through all of them without a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Span: TypeAlias = tuple[float, float | None]
"""Start and end in seconds of the file; None for its end."""
WHOLE: tuple[Span, ...] = ((0.0, None),)


@dataclass(frozen=True)
class Segment:
    """A stretch of a file, and where it lies in the clip."""

    start_s: float
    """In the file, as `end_s`."""
    end_s: float
    offset_s: float
    """Its start in the clip."""

    @property
    def shift_s(self) -> float:
        """Seconds to add to a time of the clip for one of the file."""
        return self.start_s - self.offset_s

    @property
    def until_s(self) -> float:
        """Its end in the clip."""
        return self.offset_s + self.end_s - self.start_s


def lay_out(spans: Sequence[Span], duration_s: float) -> tuple[Segment, ...]:
    """The pieces of a clip of a file that is so long.

    Raises:
        ValueError: a span starts at the end of the file or behind it; its argument is that start.
    """
    pieces: list[Segment] = []
    offset_s = 0.0
    for start_s, asked_s in spans:
        if start_s >= duration_s:
            raise ValueError(start_s)
        pieces.append(Segment(start_s, duration_s if asked_s is None else min(duration_s, asked_s), offset_s))
        offset_s = pieces[-1].until_s
    return tuple(pieces)


def by_segment(pieces: Sequence[Segment], times_s: Sequence[float]) -> Iterator[tuple[Segment, list[float]]]:
    """Ascending times of the clip, sorted into pieces; a time at a seam belongs to the piece that begins there."""
    left = list(times_s)
    for piece in pieces:
        last = piece is pieces[-1]
        count = len(left) if last else sum(time_s < piece.until_s for time_s in left)
        if count:
            yield piece, left[:count]
        left = left[count:]


def within(pieces: Sequence[Segment], start_s: float, end_s: float) -> Iterator[tuple[Segment, float, float]]:
    """The pieces that a window of the clip touches, each with the part of the window that lies in it."""
    for piece in pieces:
        first_s, last_s = max(start_s, piece.offset_s), min(end_s, piece.until_s)
        if first_s < last_s:
            yield piece, first_s, last_s
