"""The results of decoding as plain data: frames, samples and subtitle cues, with their times."""

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
    """The frame's true time from the start of the clip, which may differ a little from the requested time."""
    pixels: Pixels
    cached: bool = False
    """True if this call did not have to decode the frame."""


@dataclass(frozen=True)
class Cue:
    """A subtitle, or a segment of recognised speech."""

    start_s: float
    end_s: float
    text: str
