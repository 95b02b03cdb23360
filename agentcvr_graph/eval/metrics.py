"""Mean scores with confidence intervals, as every report of this library shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.errors import missing_extra

CONFIDENCE = 0.95
RESAMPLES = 4000
BATCH = 64
"""Resamples per batch; limits memory for thousands of scores."""


@dataclass(frozen=True)
class Estimate:
    """A mean score from 0 to 1 with its confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.0f} ({100 * self.low:.0f}-{100 * self.high:.0f})"


def mean_score(scores: Sequence[float], weights: Sequence[float] = ()) -> Estimate:
    """Return the mean with a 95 % interval: Wilson's if all scores are 0 or 1, else a bootstrap.

    Args:
        weights: weight of each score; equal if empty.

    Raises:
        SetupError: scipy is not installed.
    """
    if not weights and len(scores) > 1 and set(scores) <= {0.0, 1.0}:
        _, stats = libraries()
        found = stats.binomtest(round(sum(scores)), len(scores)).proportion_ci(CONFIDENCE, method="wilson")
        return Estimate(sum(scores) / len(scores), float(found.low), float(found.high))
    return macro_average([(scores, weights)])


def macro_average(groups: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Estimate:
    """Return the mean of the group means with a 95 % bootstrap interval.

    Every resample draws as many scores from each group as it has. If no group has two scores, the interval is 0 to 1.

    Args:
        groups: scores and their weights within the group; equal weights if empty.
    """
    np, _ = libraries()
    rng = np.random.default_rng(0)
    means: list[float] = []
    resampled = np.zeros(RESAMPLES)
    for scores, weights in groups:
        values = np.asarray(scores, dtype=float)
        counts = np.asarray(weights or np.ones(len(values)), dtype=float)
        means.append(float(np.average(values, weights=counts)))
        for start in range(0, RESAMPLES, BATCH):
            drawn = rng.integers(len(values), size=(min(BATCH, RESAMPLES - start), len(values)))
            sums = (values[drawn] * counts[drawn]).sum(axis=1) / counts[drawn].sum(axis=1)
            resampled[start : start + len(drawn)] += sums / len(groups)
    mean = sum(means) / len(means)
    if max(len(scores) for scores, _ in groups) == 1:
        return Estimate(mean, 0.0, 1.0)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Estimate(mean, float(low), float(high))


def libraries() -> tuple[Any, Any]:
    """Return numpy and scipy.stats, which only the `eval` extra installs."""
    try:
        import numpy as np
        from scipy import stats
    except ImportError as error:
        raise missing_extra(error.name or "scipy", "eval") from error
    return np, stats
