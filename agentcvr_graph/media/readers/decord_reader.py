"""A reader over decord: frame-exact random access; decord decodes and scales in its own threads.

A decord reader that threads share without a lock deadlocks, and one that is inherited through a fork can hang. `Media`
therefore opens it lazily in the process that reads, and holds a lock around it. decord needs an index in the container
and takes the first picture track: `Media` reads other files with PyAV, with a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agentcvr_graph.media.readers.base import Decoded

_BATCH = 32
"""Number of frames per `get_batch`, which bounds the memory of a call."""


_LONGEST_S = 1e7
"""A frame later than this is no frame, in seconds: decord reports wild times where a container holds none."""


class DecordReader:
    """A `Reader` over decord.

    Args:
        first_s: when the first picture is presented, in seconds from the file's start; decord counts from that picture.

    Raises:
        LookupError: decord finds no times in the file.
    """

    def __init__(self, path: Path, first_s: float = 0.0) -> None:
        import decord

        self._path = str(path)  # decord takes no Path
        self._decord = decord
        full: Any = decord.VideoReader(self._path, num_threads=2)  # decord ships no types
        stamps = np.asarray(full.get_frame_timestamp(np.arange(len(full))), dtype=np.float64)
        self._starts_s = np.atleast_2d(stamps)[:, 0] + first_s
        if self._starts_s.min() < first_s - 1e-3 or self._starts_s.max() > _LONGEST_S:
            raise LookupError("decord finds no times in this file, or pictures before its first one.")
        self._keys = [int(index) for index in full.get_key_indices()]
        self._scaled: dict[tuple[int, int], Any] = {}

    def key_times(self) -> Sequence[float]:
        """Return the times of the key frames, from decord's index."""
        return [float(self._starts_s[index]) for index in self._keys]

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the last frame that starts at or before each time."""
        found = np.searchsorted(self._starts_s, np.asarray(times_s) + 1e-4, side="right") - 1
        return self._read(times_s, [max(0, int(index)) for index in found], size)

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the key frame nearest to each time."""
        keys = np.asarray(self.key_times())
        return self._read(times_s, [self._keys[int(np.abs(keys - time_s).argmin())] for time_s in times_s], size)

    def close(self) -> None:
        """Release the decoders."""
        self._scaled.clear()

    def _read(self, times_s: Sequence[float], indices: Sequence[int], size: tuple[int, int]) -> Iterator[Decoded]:
        if size not in self._scaled:
            width, height = size
            self._scaled[size] = self._decord.VideoReader(self._path, width=width, height=height, num_threads=2)
        reader = self._scaled[size]
        for first in range(0, len(indices), _BATCH):
            part = indices[first : first + _BATCH]
            pixels = reader.get_batch(list(part)).asnumpy()
            for time_s, index, picture in zip(times_s[first : first + _BATCH], part, pixels, strict=True):
                yield Decoded(time_s, float(self._starts_s[index]), picture)
