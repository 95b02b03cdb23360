"""What decoding gives: frames, samples and subtitle cues, with their times. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Samples = NDArray[np.float32]  # (n,), mono, SAMPLE_RATE_HZ, -1..1


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    time_s: float
    """The frame's own time from the start of the clip, which may lie a little off the time asked for."""
    pixels: Pixels
    cached: bool = False
    """True when no decoding was needed for it in this call."""


@dataclass(frozen=True)
class Cue:
    """A subtitle, or a stretch of recognised speech."""

    start_s: float
    end_s: float
    text: str
