"""The results of probing and decoding as plain data: tracks, notes, frames, samples and subtitle cues."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agentcvr_graph.types import Modality, WordTimes, later

SAMPLE_RATE_HZ = 16_000
Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Samples = NDArray[np.float32]  # (n,), mono, SAMPLE_RATE_HZ, -1..1


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    time_s: float
    """The frame's true time from the start of the clip, which may differ a little from the requested time."""
    pixels: Pixels
    cached: bool = False
    """True if this call did not have to decode the frame."""
    requested_s: float | None = None
    """The time of the clip that it was requested for; None stands for its true time."""

    @property
    def sampled_s(self) -> float:
        """The time of the clip that the frame stands for: the requested one, or else its true time."""
        return self.time_s if self.requested_s is None else self.requested_s


@dataclass(frozen=True)
class Cue:
    """A subtitle, or a segment of recognised speech."""

    start_s: float
    end_s: float
    text: str
    word_times_s: WordTimes = field(default=(), repr=False)
    """When each word of the text is said. Not part of cache keys, which hold cues as text."""

    def later(self, shift_s: float) -> Cue:
        """Return the cue with all times moved by some seconds."""
        return Cue(self.start_s + shift_s, self.end_s + shift_s, self.text, later(self.word_times_s, shift_s))


@dataclass(frozen=True)
class Note:
    """What a user should know about a part of a file: it cannot be decoded, or something else is shown."""

    start_s: float
    end_s: float
    text: str
    """One clause without a time, such as 'the picture cannot be decoded'."""
    modality: Modality | None = None
    """What it concerns: what is seen, or what is heard or said; None for both."""

    def between(self, start_s: float, end_s: float, shift_s: float) -> Note:
        """Return the note within a part of the file, at the times of a clip that lie `shift_s` before those."""
        return replace(self, start_s=max(self.start_s, start_s) - shift_s, end_s=min(self.end_s, end_s) - shift_s)

    def __str__(self) -> str:
        if self.end_s - self.start_s < 0.05:
            return f"at {self.start_s:.1f} s {self.text}"
        return f"from {self.start_s:.1f} to {self.end_s:.1f} s {self.text}"
