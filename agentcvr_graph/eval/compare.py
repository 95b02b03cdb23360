"""Compare two runs, or two methods of one run, question by question.

The test is paired: a 95 % bootstrap interval of the mean difference, and a permutation test that swaps the two scores
of a question at random (for scores of 0 and 1 this is McNemar's test). Questions that only one side has are counted
and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import Estimate, libraries, macro_average
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.summary import ALL

RESAMPLES = 9999
BATCH = 64
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Difference:
    """The comparison on one task, or on all questions."""

    name: str
    count: int
    one: float
    other: float
    difference: Estimate
    """The first side minus the second."""
    p: float
    """Probability of a difference at least this large if the two sides are equal."""
    wins: int
    """Questions with a higher score on the first side."""
    losses: int


@dataclass(frozen=True)
class Comparison:
    """The comparison of two sides by task."""

    names: tuple[str, str]
    lines: tuple[Difference, ...]
    unmatched: int
    """Questions that only one side has."""

    def _repr_html_(self) -> str:
        """Return a table with one row per task, for notebooks."""
        from agentcvr_graph.report.notebook import table_html

        return table_html(*comparison_table(self))


def comparison_table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return a comparison in per cent as head and rows of a table; a star marks a p value below `SIGNIFICANT`."""
    rows = [
        [
            line.name,
            str(line.count),
            f"{100 * line.one:.1f}",
            f"{100 * line.other:.1f}",
            f"{100 * difference.mean:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})",
            str(line.wins),
            str(line.losses),
            ("<0.001" if line.p < 0.001 else f"{line.p:.3f}") + (" *" if line.p < SIGNIFICANT else ""),
        ]
        for line in found.lines
        for difference in (line.difference,)
    ]
    return ["task", "questions", *found.names, "difference", "better", "worse", "p"], rows


def compare(one: str, other: str) -> Comparison:
    """Compare two sides, each a folder of a run, or `FOLDER:METHOD` for one of several methods.

    Raises:
        InputError: a side is not a run, a method must be named, or the sides share no question.
        SetupError: scipy is not installed.
    """
    first, second = _rows_of(one, other), _rows_of(other, one)
    shared = [(row, second[question]) for question, row in first.items() if question in second]
    if not shared:
        raise InputError(f"{one} and {other} share no question.", fix="Compare runs of the same benchmark.")
    by_task: dict[str, list[tuple[Row, Row]]] = {}
    for pair in shared:
        by_task.setdefault(pair[0].task or ALL, []).append(pair)
    lines = [_difference(task, pairs) for task, pairs in by_task.items()]
    if len(by_task) > 1:
        lines.append(_difference(ALL, shared))
    return Comparison((one, other), tuple(lines), len(first) + len(second) - 2 * len(shared))


def _rows_of(side: str, beside: str) -> Mapping[str, Row]:
    path, method = _read_side(side)
    rows = list(RunFolder(path).latest().values())
    methods = list(dict.fromkeys(row.method for row in rows))
    if not rows:
        raise InputError(f"{path} holds no results.", fix="Name a folder that --out wrote.")
    if not method and len(methods) > 1:
        raise InputError(f"{path} holds several methods.", fix=f"Write {path}:METHOD, one of: {', '.join(methods)}.")
    if method and method not in methods:
        raise InputError(f"{path} has no method {method!r}.", fix=f"Choose from: {', '.join(methods)}.")
    return {row.id: row for row in rows if row.method == (method or methods[0])}


def _read_side(side: str) -> tuple[Path, str]:
    if Path(side).is_dir():
        return Path(side), ""
    path, colon, method = side.rpartition(":")
    return (Path(path), method) if colon and Path(path).is_dir() else (Path(side), "")


def _difference(name: str, pairs: Sequence[tuple[Row, Row]]) -> Difference:
    ours, theirs = [one.score for one, _ in pairs], [other.score for _, other in pairs]
    apart = [a - b for a, b in zip(ours, theirs, strict=True)]
    return Difference(
        name=name,
        count=len(pairs),
        one=sum(ours) / len(ours),
        other=sum(theirs) / len(theirs),
        difference=macro_average([(apart, ())]) if len(apart) > 1 else Estimate(apart[0], -1.0, 1.0),
        p=p_value(apart),
        wins=sum(difference > 0 for difference in apart),
        losses=sum(difference < 0 for difference in apart),
    )


def p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p value of the permutation test; 1 if nothing differs."""
    apart = [difference for difference in differences if difference]
    if not apart:
        return 1.0
    np, stats = libraries()
    if len({abs(difference) for difference in apart}) == 1:  # McNemar's exact test
        return float(stats.binomtest(sum(difference > 0 for difference in apart), len(apart)).pvalue)
    values = np.asarray(apart)

    def mean_difference(one: Any, other: Any, axis: int) -> Any:
        return (one - other).mean(axis=axis)

    found = stats.permutation_test(
        (values, np.zeros_like(values)),
        mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=BATCH,
        rng=0,
    )
    return float(found.pvalue)
