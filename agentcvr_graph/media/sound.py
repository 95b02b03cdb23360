"""Decode the sound of a window with PyAV, as 16 kHz mono float samples, without decoding the rest of the file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from agentcvr_graph.errors import CVRError, InfrastructureError
from agentcvr_graph.media.containers import open_container, origin_s, why
from agentcvr_graph.media.tracks import sound_stream
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples

_QUIET_WIDTH_S = 0.1
_LEAD_S = 0.5
"""Decoding starts this much earlier, in seconds: lossy codecs need a few packets before their output is correct."""


def read_sound(path: Path, start_s: float, end_s: float) -> Samples:
    """Return the samples of [start_s, end_s), shape (round((end_s - start_s) * 16000),); zeros outside the track.

    Raises:
        InfrastructureError: there is no sound track, or it cannot be decoded.
    """
    samples = np.zeros(round((end_s - start_s) * SAMPLE_RATE_HZ), dtype=np.float32)
    try:
        with open_container(path) as container:
            stream = sound_stream(container)
            if stream is None:
                raise InfrastructureError(f"{path.name} has no sound track.")
            _fill(container, stream, samples, start_s)
    except CVRError:
        raise
    except Exception as error:  # FFmpeg's errors, and any error of PyAV over a damaged file
        raise InfrastructureError(f"The sound of {path.name} cannot be decoded ({why(error)}).") from error
    return samples


def quietest_s(samples: Samples) -> float:
    """Return the middle of the quietest tenth of a second, in seconds from the first sample."""
    width = round(_QUIET_WIDTH_S * SAMPLE_RATE_HZ)
    if len(samples) < 2 * width:
        return len(samples) / 2 / SAMPLE_RATE_HZ
    passed = np.cumsum(samples.astype(np.float64) ** 2)  # (n,)
    energy = passed[width:] - passed[:-width]
    return (int(energy.argmin()) + width / 2) / SAMPLE_RATE_HZ


def _fill(container: InputContainer, stream: AudioStream, samples: Samples, start_s: float) -> None:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    origin = origin_s(container)
    if start_s > _LEAD_S and stream.time_base is not None:
        container.seek(int((start_s - _LEAD_S + origin) / stream.time_base), stream=stream, backward=True)
    position: int | None = None  # index into `samples` of the next decoded sample
    for frame in container.decode(stream):
        if position is None:
            stamp_s = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else origin
            position = round((stamp_s - origin - start_s) * SAMPLE_RATE_HZ)
        for piece in resampler.resample(frame):
            position = _place(samples, piece.to_ndarray()[0], position)
        if position >= len(samples):
            return
    for piece in resampler.resample(None):
        position = _place(samples, piece.to_ndarray()[0], position or 0)


def _place(samples: Samples, piece: Samples, position: int) -> int:
    """Copy the part of `piece` that falls inside `samples`; return the position after `piece`."""
    begin, end = max(0, position), min(len(samples), position + len(piece))
    if end > begin:
        samples[begin:end] = piece[begin - position : end - position]
    return position + len(piece)
