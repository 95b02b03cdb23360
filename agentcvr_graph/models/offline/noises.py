"""Sounds that are not speech: silence, steady noise, music and impacts, classified by loudness and spectrum.

Every half second gets a kind, and neighbours of one kind become one statement. Impacts are single moments: a jump in
loudness that decays within half a second. Half seconds in which words were recognised are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import librosa
import numpy as np
from numpy.typing import NDArray

from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.offline.signals import load_librosa

HOP_S = 0.02
PART_S = 0.5
"""Length of a part that gets one kind."""
MIN_STRETCH_S = 1.5
"""A shorter silence, noise or music gets no statement."""
SILENCE_DB = -52.0
IMPACT_RISE_DB = 14.0
IMPACT_FALL_DB = 8.0
NOISE_FLATNESS = 0.12
TONAL_FLATNESS = 0.01
_HOP = int(HOP_S * SAMPLE_RATE_HZ)


def noises(samples: Samples, speech: Sequence[Cue]) -> list[Cue]:
    """Return the sounds besides speech. All times are from the start of the samples."""
    load_librosa()
    if samples.size < 2 * SAMPLE_RATE_HZ * PART_S:
        return []
    loudness_db = _loudness(samples)
    return sorted([*_stretches(samples, loudness_db, speech), *_impacts(loudness_db, speech)], key=lambda c: c.start_s)


def _loudness(samples: Samples) -> NDArray[np.float64]:
    """Return the loudness in dB relative to full scale, one value every 20 ms."""
    rms = librosa.feature.rms(y=samples, frame_length=2 * _HOP, hop_length=_HOP)[0]
    return 20 * np.log10(np.maximum(rms, 1e-7))


def _stretches(samples: Samples, loudness_db: NDArray[np.float64], speech: Sequence[Cue]) -> Iterator[Cue]:
    flatness = librosa.feature.spectral_flatness(y=samples, n_fft=1024, hop_length=_HOP)[0]
    per_part = int(PART_S / HOP_S)
    kinds: list[str] = []
    for first in range(0, len(loudness_db) - per_part + 1, per_part):
        part = slice(first, first + per_part)
        spoken = any(c.start_s < (first + per_part) * HOP_S and c.end_s > first * HOP_S for c in speech)
        kinds.append("" if spoken else _kind(loudness_db[part], flatness[part]))
    position = 0
    for kind, group in groupby(kinds):
        length = len(list(group))
        if kind and length * PART_S >= MIN_STRETCH_S:
            yield Cue(position * PART_S, (position + length) * PART_S, kind)
        position += length


def _kind(loudness_db: NDArray[np.float64], flatness: NDArray[np.float64]) -> str:
    if np.percentile(loudness_db, 90) < SILENCE_DB:
        return "silence"
    typical = float(np.median(flatness))
    if typical > NOISE_FLATNESS and float(loudness_db.std()) < 3.0:
        return "steady noise"
    return "music" if typical < TONAL_FLATNESS and float(loudness_db.min()) > SILENCE_DB else ""


def _impacts(loudness_db: NDArray[np.float64], speech: Sequence[Cue]) -> Iterator[Cue]:
    reach = int(0.06 / HOP_S)
    decay = int(0.4 / HOP_S)
    index = reach
    while index < len(loudness_db) - 1:
        rise_db = loudness_db[index] - loudness_db[max(0, index - 2 * reach) : index - reach + 1].max()
        peak = index + int(loudness_db[index : index + reach].argmax())
        fall_db = loudness_db[peak] - loudness_db[min(len(loudness_db) - 1, peak + decay)]
        time_s = peak * HOP_S
        spoken = any(c.start_s - 0.15 < time_s < c.end_s + 0.05 for c in speech)
        if rise_db >= IMPACT_RISE_DB and fall_db >= IMPACT_FALL_DB and loudness_db[peak] > -35 and not spoken:
            yield Cue(max(0.0, time_s - 0.05), time_s + 0.2, "impact")
            index = peak + decay
        else:
            index += 1
