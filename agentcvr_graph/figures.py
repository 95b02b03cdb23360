"""Mean scores with their confidence intervals, for every report of this library."""

# SciPy's types are partial.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.errors import missing_extra

CONFIDENCE = 0.95
RESAMPLES = 9999
BATCH = 64
"""Resamples at a time, so that thousands of scores need little memory."""


@dataclass(frozen=True)
class Rate:
    """A mean score from 0 to 1 with its confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.0f} ({100 * self.low:.0f}-{100 * self.high:.0f})"


def rate(scores: Sequence[float], weights: Sequence[float] = ()) -> Rate:
    """The mean with a 95 % interval: Wilson's where scores are 0 or 1, a bootstrap's where they lie between.

    Args:
        weights: how much each score counts; all the same where none are given.

    Raises:
        SetupError: scipy is not installed.
    """
    try:
        import numpy as np
        from scipy import stats
    except ImportError as error:
        raise missing_extra(error.name or "scipy", "eval") from error
    values, counts = np.asarray(scores, dtype=float), np.asarray(weights or [1.0] * len(scores), dtype=float)
    mean = float(np.average(values, weights=counts))
    if len(values) == 1:
        return Rate(mean, 0.0, 1.0)  # one question tells nothing of the others
    if not weights and set(scores) <= {0.0, 1.0}:
        found = stats.binomtest(round(sum(scores)), len(scores)).proportion_ci(CONFIDENCE, method="wilson")
        return Rate(mean, float(found.low), float(found.high))

    def averaged(drawn: Any, weight: Any, axis: int) -> Any:
        return (drawn * weight).sum(axis=axis) / weight.sum(axis=axis)

    if np.ptp(values) == 0:
        return Rate(mean, mean, mean)  # every resample is the same
    interval = stats.bootstrap(
        (values, counts), averaged, paired=True, method="percentile", batch=BATCH, n_resamples=RESAMPLES, rng=0
    ).confidence_interval
    return Rate(mean, float(interval.low), float(interval.high))
