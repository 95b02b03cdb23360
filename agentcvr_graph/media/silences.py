"""Find where the sound track of a file has nothing: before it starts, in holes, and after its end.

A hole is heard as silence; that it is one, and not a quiet scene, must be said. The times of all packets are known from
the index that was made of the file (`index.py`) or from that of an MP4. Small files of other formats are read for them;
in large ones the holes are found when their sound is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from numpy.typing import NDArray

from agentcvr_graph.media.containers import open_container, origin_s
from agentcvr_graph.media.index import FileIndex
from agentcvr_graph.media.tracks import sound_stream

SHORTEST_S = 1.0
"""A shorter hole, in seconds, is no news: encoders leave out silence, and tracks end at different times."""
_READ_BYTES = 64 * 2**20
"""Largest file that is read for the times of its packets alone."""


def silences(
    path: Path, container: InputContainer, index: FileIndex | None, duration_s: float
) -> list[tuple[float, float]]:
    """Return start and end of each part without sound, as far as it is known without decoding."""
    stream = sound_stream(container)
    times_s = _packet_times(path, container, stream, index) if stream is not None else None
    return [] if times_s is None else _holes(np.sort(times_s), duration_s)


def _holes(times_s: NDArray[np.float64], duration_s: float) -> list[tuple[float, float]]:
    length_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    ends_s, starts_s = np.append(0.0, times_s + length_s), np.append(times_s, duration_s)
    places = np.flatnonzero(starts_s - ends_s >= SHORTEST_S)
    return [(float(ends_s[place]), float(starts_s[place])) for place in places]


def _packet_times(
    path: Path, container: InputContainer, stream: AudioStream, index: FileIndex | None
) -> NDArray[np.float64] | None:
    """Return when the packets of sound are presented, in seconds from the file's start; None if that is unknown."""
    if index is not None:
        track = index.tracks.get(stream.index)
        return track.times_s if track is not None else np.zeros(0)
    assert stream.time_base is not None
    entries: Any = stream.index_entries if container.format.name.startswith("mov") else ()
    if stream.frames and len(entries) >= stream.frames:  # fragmented files are listed as they are read
        ticks = [entry.timestamp for entry in entries]
    elif path.stat().st_size <= _READ_BYTES:
        ticks = list(_read_ticks(path))
    else:
        return None
    return np.asarray(ticks, dtype=np.float64) * float(stream.time_base) - origin_s(container)


def _read_ticks(path: Path) -> Iterator[int]:
    """Yield the time stamps of all packets of sound up to the first damage."""
    with open_container(path) as container:
        stream = sound_stream(container)
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        try:
            for packet in container.demux(stream) if stream is not None else ():
                if packet.pts is not None and packet.size:
                    yield packet.pts
        except (FFmpegError, IndexError):
            return
