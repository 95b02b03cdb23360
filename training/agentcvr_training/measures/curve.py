"""Accuracy over the range of budgets, as one number: the area under the curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from agentcvr_graph.eval.metrics import Estimate, macro_average

SHARES = (0.25, 0.5, 1.0)
"""Budgets at which masters are compared, as shares of the full cost."""


def area(accuracies: Mapping[float, float]) -> float:
    """Return the mean accuracy over a range of budgets, with straight lines between the budgets that were measured.

    >>> area({0.25: 0.2, 0.5: 0.4, 1.0: 0.4})
    0.3666666666666667
    """
    points = sorted(accuracies.items())
    spans = [(right - left) * (high + low) / 2 for (left, low), (right, high) in pairwise(points)]
    return sum(spans) / (points[-1][0] - points[0][0])


Scores = Mapping[float, Sequence[float]]
"""For each share of the full cost, the score of every question, in one order."""


def area_of(scores: Scores) -> Estimate:
    """Return the area with its 95 % bootstrap interval over questions."""
    return macro_average([(_areas(scores), ())])


def difference_of(ours: Scores, theirs: Scores) -> Estimate:
    """Return the difference of two areas over the same questions, with its 95 % bootstrap interval."""
    pairs = zip(_areas(ours), _areas(theirs), strict=True)
    return macro_average([([one - other for one, other in pairs], ())])


def _areas(scores: Scores) -> list[float]:
    """Return the area of each question."""
    return [area(dict(zip(scores, row, strict=True))) for row in zip(*scores.values(), strict=True)]
