"""Fit the rates of a noise model to comparisons of live observations with noise-free scripts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from agentcvr_graph.eval.sim_gap.facts import FactKind, FactMatch
from agentcvr_graph.perception.noise import CLEAR, Noise


def fit_noise(name: str, comparisons: Sequence[FactMatch]) -> Noise:
    """Return the noise that makes the simulator match the live models.

    A kind of fact that never occurred keeps the rate 0. Loss of detail in calls with many frames is not measured here,
    so the fitted noise has none.
    """
    by_kind: dict[FactKind, list[FactMatch]] = {}
    for comparison in comparisons:
        by_kind.setdefault(comparison.kind, []).append(comparison)
    text, speech = by_kind.get("text", []), [c for c in by_kind.get("speech", []) if c.seen]
    garbled = [c.word_error for c in speech if not c.exact]
    return Noise(
        name=name,
        missed_description=_missed(by_kind.get("description", [])),
        missed_text=_missed(text),
        misread_text=_share([not c.exact for c in text if c.seen]),
        missed_colour=_missed(by_kind.get("colours", [])),
        missed_motion=_missed(by_kind.get("motion", [])),
        missed_speech=_missed(by_kind.get("speech", [])),
        garbled_speech=_share([not c.exact for c in speech]) if speech else 1.0,
        word_errors=round(statistics.fmean(garbled), 3) if garbled else 0.0,
        missed_sound=_missed(by_kind.get("sound", [])),
        time_jitter_s=_spread_s([shift for c in speech if c.shift_s for shift in c.shift_s]),
        crowded_frames=CLEAR.crowded_frames,
    )


def _missed(comparisons: Sequence[FactMatch]) -> float:
    return _share([not comparison.seen for comparison in comparisons])


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 3) if flags else 0.0


def _spread_s(shifts_s: Sequence[float]) -> float:
    """Return a standard deviation from the median absolute deviation, robust to a few captions that were merged."""
    if not shifts_s:
        return 0.0
    middle_s = statistics.median(shifts_s)
    return round(1.4826 * statistics.median([abs(shift_s - middle_s) for shift_s in shifts_s]), 3)
