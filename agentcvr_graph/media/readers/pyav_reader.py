"""A reader over PyAV: seeks to the key frame before a time, then decodes neighbouring times in one forward pass.

The default: of the measured readers, the fastest to open a file and to read single and key frames (docs/benchmarks.md).
It also yields the frames on the half-second grid that it decodes on the way, because later, closer looks at the same
window request them. Where pictures are damaged, the last one before the damage is on screen.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentcvr_graph.media.display import UPRIGHT, Turn, pixel_aspect, shown_pixels, turn_of
from agentcvr_graph.media.index import FileIndex, frame_rate
from agentcvr_graph.media.packets import AnyPacket, Report, Timed, TrackReader
from agentcvr_graph.media.readers.base import Decoded, nearest
from agentcvr_graph.media.tracks import picture_stream

BYSTANDER_STEP_S = 0.5
"""Frames at multiples of this time are also yielded when they are decoded on the way to others."""
_COMPLETE_INDEX = ("mov", "avi")
"""Formats whose index is complete once the file is open; the index of other formats grows as the file is read."""
_EARLIER_KEYS = 3
"""If a key frame cannot be decoded, this many earlier ones are tried for the picture that was on screen before."""


class Picture(NamedTuple):
    """A decoded frame and how it is shown."""

    time_s: float
    frame: Any
    turn: Turn


class PyAVReader:
    """A `Reader` over PyAV.

    Args:
        max_pixels: the largest picture that is decoded; None for no limit.
        index: the file's index, if its container has none.
        report: called with the time of each picture that cannot be decoded.
        turn: how the file's first picture is shown.
    """

    def __init__(
        self,
        path: Path,
        max_pixels: int | None = None,
        index: FileIndex | None = None,
        report: Report = lambda time_s: None,
        turn: Turn = UPRIGHT,
    ) -> None:
        self._path, self._index, self._turn = path, index, turn
        self._track = TrackReader(path, picture_stream, index, report, max_pixels, threads=True)
        self._stream: Any = self._track.stream
        self._aspect = pixel_aspect(self._stream)
        self._fps = frame_rate(self._stream)
        self._key_times: list[float] | None = None

    def key_times(self) -> Sequence[float]:
        """Return the times of the key frames, from a complete index, or else from one pass over the packets."""
        if self._key_times is None:
            index = self._track.index
            found = index.key_times_s.tolist() if index is not None else self._listed_or_read()
            self._key_times = sorted({max(0.0, time_s) for time_s in found}) or [0.0]
        return self._key_times

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the frames on screen; seek only where decoding forward would take longer."""
        wanted = list(times_s)
        frames: Iterator[Picture] = iter(())
        held: Picture | None = None
        sought_s: float | None = None  # at most one seek per target: the container decides where it lands
        while wanted:
            target_s = wanted[0]
            if held is None or (sought_s != target_s and self._worth_a_seek(held.time_s, target_s)):
                sought_s = target_s
                frames = self._pictures(self._decode_from(target_s))
                held = next(frames, None)
                if held is None:
                    wanted.pop(0)
                    continue
            following = next(frames, None)
            until_s = following.time_s if following is not None else float("inf")
            due = [time_s for time_s in wanted if time_s < until_s - 1e-4]
            marks = due or (_bystanders(held.time_s, until_s) if held.time_s >= times_s[0] else [])
            pixels = shown_pixels(held.frame, size, self._aspect, held.turn) if marks else None
            for time_s in marks:
                assert pixels is not None
                yield Decoded(time_s, held.time_s, pixels)
            wanted = wanted[len(due) :]
            held = following

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the key frame nearest to each time; decode key frames only."""
        key_s: float | None = None
        found: Timed | None = None
        for time_s in times_s:
            nearest_s = nearest(self.key_times(), time_s)
            if nearest_s != key_s:
                key_s, found = nearest_s, self._track.key_frame(nearest_s)
            if found is not None:
                turn = turn_of(found.frame) or self._turn
                yield Decoded(time_s, found.time_s, shown_pixels(found.frame, size, self._aspect, turn))

    def close(self) -> None:
        """Close the container."""
        self._track.close()

    def _listed_or_read(self) -> list[float]:
        """Return the times of the key frames; opens the file again, because the open one may be in the middle of it."""
        track = TrackReader(self._path, picture_stream)
        try:
            packets = track.all_packets()
            first = next(packets, None)
            return _listed(track, first) or [
                track.seconds(packet.pts)
                for packet in _chain(first, packets)
                if packet is not None and packet.is_keyframe and packet.pts is not None
            ]
        finally:
            track.close()

    def _decode_from(self, target_s: float) -> Iterator[Timed]:
        """Yield frames from a key frame before the target; from an earlier one where the first is undecodable."""
        start_s = target_s
        frames: Iterator[Timed] = iter(())
        for _ in range(_EARLIER_KEYS):
            frames = self._track.frames_from(start_s)
            first = next(frames, None)
            earlier = self._key_before(start_s)
            if first is not None and (first.time_s <= target_s + 1e-4 or earlier is None):
                return _chain(first, frames)
            if earlier is None:
                break
            start_s = earlier
        return frames

    def _pictures(self, frames: Iterator[Timed]) -> Iterator[Picture]:
        """Yield frames with how they are shown.

        A stream may hold its display matrix in key frames alone, or in its first picture alone. So a frame without one
        is shown as the key frame before it, and a key frame without one as the first picture.
        """
        turn = self._turn
        for time_s, frame in frames:
            turn = turn_of(frame) or (self._turn if frame.key_frame else turn)
            yield Picture(time_s, frame, turn)

    def _key_before(self, time_s: float) -> float | None:
        """Return a time at which the key frame before the one of `time_s` is on screen; None if there is none."""
        keys = self.key_times()
        place = bisect.bisect_right(keys, time_s + 1e-4) - 2
        return keys[place] if place >= 0 else None

    def _worth_a_seek(self, now_s: float, target_s: float) -> bool:
        if target_s < now_s - 1e-4:
            return True
        keys = self.key_times()
        before = keys[max(0, bisect.bisect_right(keys, target_s - 5 / self._fps) - 1)]
        return before > now_s + 1.0


def _bystanders(now_s: float, until_s: float) -> list[float]:
    """Return the half-second mark at which a frame is on screen, if any."""
    mark_s = -(-now_s // BYSTANDER_STEP_S) * BYSTANDER_STEP_S
    return [mark_s] if mark_s < until_s - 1e-4 else []


def _listed(track: TrackReader, first: AnyPacket | None) -> list[float]:
    """Return the times of the key frames in the container's index; empty if it may be incomplete."""
    stream: Any = track.stream
    if first is None or first.pts is None or first.dts is None or not track.format_name.startswith(_COMPLETE_INDEX):
        return []
    keys = [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
    if len(keys) < 2 or not 0 < stream.frames <= len(stream.index_entries):  # fragmented, and read in part
        return []
    # The index holds decoding times. A key frame is presented this much later:
    return [track.seconds(key + first.pts - first.dts) for key in keys]


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
