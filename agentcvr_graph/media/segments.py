"""Convert between the time of a clip and the time of its file. A clip is one or more segments of a file, concatenated.

CrossVid's segments are such lists of intervals. A clip's time runs through all its segments without a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Span: TypeAlias = tuple[float, float | None]
"""Start and end in seconds of the file; an end of None means the end of the file."""
WHOLE: tuple[Span, ...] = ((0.0, None),)

_NPT = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)s?$")


def read_span(text: str) -> Span:
    """Return the span that the value of a media fragment `t=` states. Its order is not checked.

    >>> read_span("12.5,40"), read_span("0:10"), read_span("npt:,0:01:00")
    ((12.5, 40.0), (10.0, None), (0.0, 60.0))

    Raises:
        ValueError: it is no span.
    """
    start, comma, end = text.removeprefix("npt:").partition(",")
    if bool(comma) != bool(end) or not (start or end):
        raise ValueError(text)
    return _npt_s(start) if start else 0.0, _npt_s(end) if end else None


def _npt_s(text: str) -> float:
    """Return the seconds of '12.5', '1:12.5' or '0:01:12.5'."""
    match = _NPT.match(text)
    if match is None:
        raise ValueError(text)
    hours, minutes, seconds = match.groups()
    try:
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    except OverflowError as error:
        raise ValueError(text) from error


@dataclass(frozen=True)
class Segment:
    """A segment of a file, and its position in the clip."""

    start_s: float
    """Time in the file, like `end_s`."""
    end_s: float
    offset_s: float
    """Start of the segment in the clip."""

    @property
    def shift_s(self) -> float:
        """Return the seconds to add to a time of the clip to get the time of the file."""
        return self.start_s - self.offset_s

    @property
    def until_s(self) -> float:
        """Return the end of the segment in the clip."""
        return self.offset_s + self.end_s - self.start_s


def lay_out(spans: Sequence[Span], duration_s: float) -> tuple[Segment, ...]:
    """Return the segments of a clip, given the spans and the file's length.

    Raises:
        ValueError: a span starts at or after the end of the file; the error's argument is that start.
    """
    segments: list[Segment] = []
    offset_s = 0.0
    for start_s, stated_s in spans:
        if start_s >= duration_s:
            raise ValueError(start_s)
        segments.append(Segment(start_s, duration_s if stated_s is None else min(duration_s, stated_s), offset_s))
        offset_s = segments[-1].until_s
    return tuple(segments)


def by_segment(segments: Sequence[Segment], times_s: Sequence[float]) -> Iterator[tuple[Segment, list[float]]]:
    """Group ascending times of the clip by segment; a time at a boundary belongs to the segment that starts there."""
    left = list(times_s)
    for segment in segments:
        last = segment is segments[-1]
        count = len(left) if last else sum(time_s < segment.until_s for time_s in left)
        if count:
            yield segment, left[:count]
        left = left[count:]


def within(segments: Sequence[Segment], start_s: float, end_s: float) -> Iterator[tuple[Segment, float, float]]:
    """Yield the segments that a window of the clip overlaps, each with the part of the window that lies in it."""
    for segment in segments:
        first_s, last_s = max(start_s, segment.offset_s), min(end_s, segment.until_s)
        if first_s < last_s:
            yield segment, first_s, last_s


def window_of(segments: Sequence[Segment], start_s: float, end_s: float) -> tuple[float, float]:
    """Return the window of the clip from the first to the last moment that lies between two times of the file.

    >>> window_of(lay_out([(10, 20), (30, 40)], 60), 15, 32)
    (5, 12)
    >>> window_of(lay_out([(10, 20)], 60), 25, 60)
    (0.0, 0.0)
    """
    held = [
        (max(segment.start_s, start_s) - segment.shift_s, min(segment.end_s, end_s) - segment.shift_s)
        for segment in segments
        if segment.start_s < end_s and segment.end_s > start_s
    ]
    return (min(first for first, _ in held), max(last for _, last in held)) if held else (0.0, 0.0)
