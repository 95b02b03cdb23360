"""How far the answers of a method can be relied on: accuracy against coverage, and calibration.

**Accuracy against coverage** (El-Yaniv and Wiener, JMLR 2010): the questions are taken in the order of the stated
confidence, the surest first. The curve has the accuracy of those taken so far against their share of all questions.
Answers of equal confidence are taken together, so no order among them is favoured. Answers without a stated confidence
come after those with one; questions without an answer (abstained, failed) come last and score 0, so every curve ends at
the plain accuracy. The area below it is the mean accuracy over all coverages: 1 minus the area under the risk-coverage
curve of Geifman and El-Yaniv (NeurIPS 2017).

**Calibration** (Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017): answers with a stated confidence are
put into `BINS` bins of equal width; a bin includes its lower edge, the last one both. The expected calibration error is
the mean difference of accuracy and confidence over the bins, weighted by their answers. The Brier score is the mean
squared difference of confidence and score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from agentcvr_graph.eval.rows import Row

BINS = 10


@dataclass(frozen=True)
class Point:
    """A point of the accuracy-coverage curve."""

    coverage: float
    accuracy: float


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence lies in one bin."""

    count: int
    confidence: float
    """Mean stated confidence."""
    accuracy: float
    """Mean score."""


@dataclass(frozen=True)
class Reliability:
    """How far the answers of one method can be relied on."""

    method: str
    coverage: float
    """Share of the questions with an answer."""
    abstained: float
    """Share of the questions on which the method abstained."""
    accuracy_when_answered: float | None
    """Mean score of the answers; None if there is none."""
    curve: Sequence[Point]
    area: float
    """Area under the curve, from 0 to 1."""
    bins: Sequence[Bin]
    """Those that are not empty."""
    calibration_error: float | None
    """Expected calibration error; None if no answer states a confidence, like the next field."""
    brier: float | None

    @property
    def is_shown(self) -> bool:
        """Return whether a report has something to say: an abstention, or a stated confidence."""
        return self.abstained > 0 or self.calibration_error is not None


def reliability_of(method: str, rows: Sequence[Row]) -> Reliability:
    """Return how far the answers in the rows of a method can be relied on; there is at least one row."""
    answered = [row for row in rows if row.answered]
    stated = [(row.confidence, row.score) for row in answered if row.confidence is not None]
    bins = calibration_bins(stated)
    error = sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / len(stated) if stated else None
    curve = accuracy_by_coverage(rows)
    return Reliability(
        method=method,
        coverage=len(answered) / len(rows),
        abstained=sum(row.outcome == "abstained" for row in rows) / len(rows),
        accuracy_when_answered=fmean(row.score for row in answered) if answered else None,
        curve=curve,
        area=fmean(point.accuracy for point in curve),
        bins=bins,
        calibration_error=error,
        brier=fmean((confidence - score) ** 2 for confidence, score in stated) if stated else None,
    )


def by_method(rows: Iterable[Row]) -> list[Reliability]:
    """Return the reliability of each method, in the order of its first row."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.method, []).append(row)
    return [reliability_of(method, own) for method, own in parts.items()]


def accuracy_by_coverage(rows: Sequence[Row]) -> list[Point]:
    """Return one point for each question taken, the surest answer first."""
    points: list[Point] = []
    taken, total = 0, 0.0
    for _, group in groupby(sorted(rows, key=_unsure), key=_unsure):
        alike = [row.score for row in group]
        for _ in alike:
            taken, total = taken + 1, total + fmean(alike)
            points.append(Point(taken / len(rows), total / taken))
    return points


def calibration_bins(stated: Iterable[tuple[float, float]]) -> list[Bin]:
    """Return the bins of pairs of confidence and score that are not empty, in order."""
    binned: dict[int, list[tuple[float, float]]] = {}
    for confidence, score in stated:
        binned.setdefault(min(int(confidence * BINS + 1e-9), BINS - 1), []).append((confidence, score))
    return [
        Bin(len(own), fmean(confidence for confidence, _ in own), fmean(score for _, score in own))
        for _, own in sorted(binned.items())
    ]


def reliability_table(found: Sequence[Reliability]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table with a row for each method."""
    head = [
        "method",
        "answered, %",
        "abstained, %",
        "accuracy when answered, %",
        "area under accuracy by coverage",
        "ECE",
        "Brier",
    ]
    return head, [
        [
            one.method,
            f"{100 * one.coverage:.0f}",
            f"{100 * one.abstained:.0f}",
            "" if one.accuracy_when_answered is None else f"{100 * one.accuracy_when_answered:.0f}",
            f"{one.area:.3f}",
            *("" if value is None else f"{value:.3f}" for value in (one.calibration_error, one.brier)),
        ]
        for one in found
    ]


def _unsure(row: Row) -> tuple[int, float]:
    """Return the place of a row: by falling confidence, then answers without one, then questions without an answer."""
    if not row.answered:
        return 2, 0.0
    return (1, 0.0) if row.confidence is None else (0, -row.confidence)
