"""Mean scores with confidence intervals, as every report of this library shows them."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Sequence
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


def clustered_mean(scores: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Return the mean with a 95 % interval by a bootstrap that draws whole clusters.

    Scores of one cluster depend on each other, as those of questions about the same videos do; an interval that
    ignores this is too narrow (Miller, Adding Error Bars to Evals, arXiv 2411.00640). If every score is a cluster of
    its own, this is `mean_score`. One cluster has the interval 0 to 1.

    Args:
        clusters: the cluster of each score.
    """
    groups: dict[Hashable, list[float]] = {}
    for score, cluster in zip(scores, clusters, strict=True):
        groups.setdefault(cluster, []).append(score)
    if len(groups) == len(scores):
        return mean_score(scores)
    own = list(groups.values())
    return macro_average([([statistics.fmean(each) for each in own], [float(len(each)) for each in own])])


def clustered_difference(ours: Sequence[float], theirs: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Return the mean of ours minus theirs, question by question, from -1 to 1; its interval is as `clustered_mean`."""
    shifted = [(1 + one - other) / 2 for one, other in zip(ours, theirs, strict=True)]
    found = clustered_mean(shifted, clusters)
    return Estimate(*(2 * value - 1 for value in (found.mean, found.low, found.high)))


def libraries() -> tuple[Any, Any]:
    """Return numpy and scipy.stats, which only the `eval` extra installs."""
    try:
        import numpy as np
        from scipy import stats
    except ImportError as error:
        raise missing_extra(error.name or "scipy", "eval") from error
    return np, stats
