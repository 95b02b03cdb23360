"""Sounds that are not speech: silence, steady noise, music and impacts, classified by loudness and spectrum.

Every half second gets a kind, and neighbours of one kind become one statement. Impacts are single moments: a jump in
loudness that decays within half a second. Half seconds in which words were recognised are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from agentcvr_graph.media.types import Cue
from agentcvr_graph.models.offline.signals import HOP_S, Signal

PART_S = 0.5
"""Length of a part that gets one kind."""
MIN_STRETCH_S = 1.5
"""A shorter silence, noise or music gets no statement."""
SILENCE_DB = -52.0
IMPACT_RISE_DB = 14.0
IMPACT_FALL_DB = 8.0
NOISE_FLATNESS = 0.12
TONAL_FLATNESS = 0.01


def noises(signal: Signal, speech: Sequence[Cue]) -> list[Cue]:
    """Return the sounds besides speech. All times are from the start of the signal."""
    if signal.loudness_db.size < 2 * PART_S / HOP_S:
        return []
    return sorted([*_stretches(signal, speech), *_impacts(signal.loudness_db, speech)], key=lambda c: c.start_s)


def _stretches(signal: Signal, speech: Sequence[Cue]) -> Iterator[Cue]:
    loudness_db, flatness = signal.loudness_db, signal.flatness
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
