"""Decode the sound of a window with PyAV, as 16 kHz mono float samples, without decoding the rest of the file.

Every frame of sound is placed where it is presented: a hole in the track is silence of its length, and a track that
starts late is late. Frames that follow on are resampled as one, because the stamps of many containers are rounded. The
format may change on the way; a packet that cannot be decoded is silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.containers import why
from agentcvr_graph.media.damage import Damage
from agentcvr_graph.media.index import FileIndex
from agentcvr_graph.media.packets import Timed, TrackReader
from agentcvr_graph.media.silences import SHORTEST_S
from agentcvr_graph.media.tracks import sound_stream
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples

_QUIET_WIDTH_S = 0.1
_LEAD_S = 0.5
"""Decoding starts this much earlier, in seconds: lossy codecs need a few packets before their output is correct."""
_JITTER_S = 0.03
"""A frame that is presented this much before or after the end of the one before it, in seconds, does not follow on."""


def read_sound(
    path: Path,
    start_s: float,
    end_s: float,
    index: FileIndex | None = None,
    damage: Damage | None = None,
) -> Samples:
    """Return the samples of [start_s, end_s), shape (round((end_s - start_s) * 16000),); zeros outside the track.

    Args:
        index: the file's index, if its container has none.
        damage: gets the times of packets that cannot be decoded, and of parts without any.

    Raises:
        InfrastructureError: there is no sound track, or none of the window's sound can be decoded.
    """
    samples = np.zeros(round((end_s - start_s) * SAMPLE_RATE_HZ), dtype=np.float32)
    failed_s: list[float] = []
    try:
        track = TrackReader(path, sound_stream, index, failed_s.append)
    except LookupError:
        raise InfrastructureError(f"{path.name} has no sound track.") from None
    except Exception as error:  # FFmpeg's errors, and any error of PyAV over a damaged file
        raise InfrastructureError(f"The sound of {path.name} cannot be decoded ({why(error)}).") from error
    placer = _Placer(samples, start_s)
    try:
        heard = placer.fill(track)
    finally:
        track.close()
    if damage is not None:
        _report(damage, failed_s, placer.holes_s(end_s))
    if failed_s and not heard:
        raise InfrastructureError(f"The sound of {path.name} cannot be decoded there.")
    return samples


def quietest_s(samples: Samples) -> float:
    """Return the middle of the quietest tenth of a second, in seconds from the first sample."""
    width = round(_QUIET_WIDTH_S * SAMPLE_RATE_HZ)
    if len(samples) < 2 * width:
        return len(samples) / 2 / SAMPLE_RATE_HZ
    passed = np.cumsum(samples.astype(np.float64) ** 2)  # (n,)
    energy = passed[width:] - passed[:-width]
    return (int(energy.argmin()) + width / 2) / SAMPLE_RATE_HZ


def _report(damage: Damage, failed_s: Sequence[float], holes_s: Iterable[tuple[float, float]]) -> None:
    for time_s in failed_s:
        damage.sound(time_s)
    for start_s, end_s in holes_s:
        if not any(start_s - _JITTER_S <= time_s <= end_s for time_s in failed_s):
            damage.silence(start_s, end_s)


class _Placer:
    """Resamples frames and puts them where they are presented."""

    def __init__(self, samples: Samples, start_s: float) -> None:
        self._samples, self._start_s = samples, start_s
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[Any, ...] = ()
        self._began_s = self._end_s = 0.0
        """Where the frames that follow on begin, and where the last of them ends, in seconds of the file."""
        self._position = 0
        """Index into the samples of the next resampled one."""
        self._heard_s: list[tuple[float, float]] = []
        """Start and end of each stretch of frames that follow on, in seconds of the file."""

    def fill(self, track: TrackReader) -> bool:
        """Decode the track from a little before the window to its end; return whether anything could be decoded."""
        heard = False
        for found in track.frames_from(max(0.0, self._start_s - _LEAD_S)):
            if self._position_of(found.time_s) >= len(self._samples):
                break
            self._add(found)
            heard = True
        self._finish()
        return heard

    def _add(self, found: Timed) -> None:
        frame = found.frame
        sort = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or sort != self._format or abs(found.time_s - self._end_s) > _JITTER_S:
            self._finish()
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            self._format, self._began_s, self._end_s = sort, found.time_s, found.time_s
            self._position = self._position_of(found.time_s)
        frame.pts = None  # the resampler would fill or drop samples by it
        self._place(self._resampler.resample(frame))
        self._end_s += frame.samples / frame.sample_rate

    def holes_s(self, end_s: float) -> list[tuple[float, float]]:
        """Return start and end of the long parts of the window that got no sound, given the window's end."""
        ends_s = [self._start_s, *(max(ended_s, self._start_s) for _, ended_s in self._heard_s)]
        starts_s = [*(began_s for began_s, _ in self._heard_s), end_s]
        return [hole for hole in zip(ends_s, starts_s, strict=True) if hole[1] - hole[0] >= SHORTEST_S]

    def _finish(self) -> None:
        """Place what the resampler still holds."""
        if self._resampler is not None:
            self._place(self._resampler.resample(None))
            self._heard_s.append((self._began_s, self._end_s))
        self._resampler = None

    def _place(self, pieces: list[Any]) -> None:
        for piece in pieces:
            heard: Samples = piece.to_ndarray()[0]
            begin, end = max(0, self._position), min(len(self._samples), self._position + len(heard))
            if end > begin:
                self._samples[begin:end] = heard[begin - self._position : end - self._position]
            self._position += len(heard)

    def _position_of(self, time_s: float) -> int:
        return round((time_s - self._start_s) * SAMPLE_RATE_HZ)
