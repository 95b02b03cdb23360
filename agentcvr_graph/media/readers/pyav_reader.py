"""A reader over PyAV: seeks to the key frame before a time, then decodes neighbouring times in one forward pass.

The default: of the measured readers, the fastest to open a file and to read single and key frames (docs/benchmarks.md).
It also yields the frames on the half-second grid that it decodes on the way, because later, closer looks at the same
window request them.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agentcvr_graph.media.containers import open_container
from agentcvr_graph.media.display import pixel_aspect, shown_pixels
from agentcvr_graph.media.readers.base import Decoded, nearest
from agentcvr_graph.media.tracks import picture_stream

BYSTANDER_STEP_S = 0.5
"""Frames at multiples of this time are also yielded when they are decoded on the way to others."""
_COMPLETE_INDEX = ("mov", "avi")
"""Formats whose index is complete once the file is open; the index of other formats grows as the file is read."""


class PyAVReader:
    """A `Reader` over PyAV.

    Args:
        max_pixels: the largest picture that is decoded; None for no limit.
    """

    def __init__(self, path: Path, max_pixels: int | None = None) -> None:
        self._container = open_container(path, max_pixels)
        stream = picture_stream(self._container)
        assert stream is not None, f"{path} has no picture"
        stream.thread_type = "AUTO"
        self._stream = stream
        self._aspect = pixel_aspect(stream)
        self._fps = float(stream.average_rate or stream.guessed_rate or 25)
        self._key_times: list[float] | None = None

    def key_times(self) -> Sequence[float]:
        """Return the times of the key frames, from a complete index, or else from one pass over the packets."""
        if self._key_times is None:
            stream = self._stream
            # The index holds decoding times; the first frame is shown at the stream's start, which gives the shift.
            entries = [e.timestamp for e in stream.index_entries if e.is_keyframe]
            entries = [entry - entries[0] + (stream.start_time or 0) for entry in entries]
            if len(entries) < 2 or not self._container.format.name.startswith(_COMPLETE_INDEX):
                self._seek(0.0)
                entries = [p.pts for p in self._container.demux(stream) if p.is_keyframe and p.pts is not None]
            self._key_times = sorted(max(0.0, self._seconds(entry)) for entry in entries) or [0.0]
        return self._key_times

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the frames on screen; seek only where decoding forward would take longer."""
        wanted = list(times_s)
        frames: Iterator[Any] = iter(())
        held: Any = None
        sought_s: float | None = None  # at most one seek per target: the container decides where it lands
        while wanted:
            target_s = wanted[0]
            if held is None or (sought_s != target_s and self._worth_a_seek(self._time(held), target_s)):
                sought_s = target_s
                frames = self._decode_from(target_s)
                held = next(frames, None)
                if held is None:
                    return
            following = next(frames, None)
            until_s = self._time(following) if following is not None else float("inf")
            due = [time_s for time_s in wanted if time_s < until_s - 1e-4]
            marks = due or self._bystanders(held, until_s)
            pixels = shown_pixels(held, size, self._aspect) if marks else None
            for time_s in marks:
                assert pixels is not None
                yield Decoded(time_s, self._time(held), pixels)
            wanted = wanted[len(due) :]
            held = following

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the key frame nearest to each time; decode key frames only."""
        stream = self._stream
        stream.codec_context.skip_frame = "NONKEY"
        try:
            for time_s in times_s:
                self._seek(self._inside_gop(nearest(self.key_times(), time_s)))
                frame = next(iter(self._container.decode(stream)), None)
                if frame is not None:
                    yield Decoded(time_s, self._time(frame), shown_pixels(frame, size, self._aspect))
        finally:
            stream.codec_context.skip_frame = "DEFAULT"

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def _decode_from(self, target_s: float) -> Iterator[Any]:
        """Yield frames from the key frame before the target; start further back if the seek landed after the target."""
        for margin_s in (0.0, 5 / self._fps, 2.0, 10.0, target_s):
            self._seek(target_s - margin_s)
            frames = iter(self._container.decode(self._stream))
            first = next(frames, None)
            if first is None:
                continue
            if self._time(first) <= target_s + 1e-4 or margin_s == target_s:
                return _chain(first, frames)
        return iter(())

    def _worth_a_seek(self, now_s: float, target_s: float) -> bool:
        if target_s < now_s - 1e-4:
            return True
        keys = self.key_times()
        before = keys[max(0, bisect.bisect_right(keys, target_s - 5 / self._fps) - 1)]
        return before > now_s + 1.0

    def _inside_gop(self, key_s: float) -> float:
        """Return a time half-way to the next key frame: a backward seek from there always lands on this key frame."""
        keys = self.key_times()
        after = bisect.bisect_right(keys, key_s)
        return (key_s + keys[after]) / 2 if after < len(keys) else key_s + 1.0

    def _bystanders(self, frame: Any, until_s: float) -> list[float]:
        """Return the half-second mark at which this frame is on screen, if any."""
        mark_s = -(-self._time(frame) // BYSTANDER_STEP_S) * BYSTANDER_STEP_S
        return [mark_s] if mark_s < until_s - 1e-4 else []

    def _seek(self, time_s: float) -> None:
        stream = self._stream
        assert stream.time_base is not None
        ticks = int(max(0.0, time_s) / stream.time_base) + (stream.start_time or 0)
        self._container.seek(ticks, stream=stream, backward=True)

    def _time(self, frame: Any) -> float:
        return self._seconds(frame.pts)

    def _seconds(self, ticks: int) -> float:
        stream = self._stream
        assert stream.time_base is not None
        return float((ticks - (stream.start_time or 0)) * stream.time_base)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
