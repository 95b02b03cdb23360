"""Loudness and spectrum of sound, by librosa. It loads for two seconds, so `audio.py` has it in a worker process."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples

HOP_S = 0.02
_HOP = int(HOP_S * SAMPLE_RATE_HZ)
_loading = threading.Lock()
"""Held while librosa loads: threads that import it for the first time at the same time fail, because scipy imports
itself."""


@dataclass(frozen=True)
class Signal:
    """What a sound is like, one value every 20 ms."""

    loudness_db: NDArray[np.float64]
    """Relative to full scale."""
    flatness: NDArray[np.float64]
    """From 0, a tone, to 1, white noise."""


def load() -> None:
    """Load librosa."""
    measured(np.zeros(SAMPLE_RATE_HZ, np.float32))


def measured(samples: Samples) -> Signal:
    """Measure a sound."""
    with _loading:
        feature = importlib.import_module("librosa.feature")
        _ = feature.rms  # librosa loads its parts when they are first used
    rms = feature.rms(y=samples, frame_length=2 * _HOP, hop_length=_HOP)[0]
    flatness = feature.spectral_flatness(y=samples, n_fft=1024, hop_length=_HOP)[0]
    return Signal(20 * np.log10(np.maximum(rms, 1e-7)), flatness)
