"""The summary of a run: accuracy by method and task, averages as the benchmark defines them, and counts of outcomes.

Every question stays in the denominator: one without an answer scores 0. Infrastructure errors are counted separately,
so that a reader sees how much of a low accuracy the method did not cause.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.metrics import Estimate, macro_average, mean_score
from agentcvr_graph.eval.rows import Outcome, Row

ALL = "all"
"""Name of the line over all questions if a benchmark defines no averages."""


@dataclass(frozen=True)
class SummaryLine:
    """A method on one task, or its average over tasks."""

    method: str
    name: str
    count: int
    accuracy: Estimate
    outcomes: Mapping[Outcome, int]
    turns: float
    """Mean per question, like the fields below."""
    frames: float
    audio_s: float
    tokens: float
    model_calls: float
    wall_s: float
    average_of: tuple[str, ...] = ()
    """The tasks of an average; empty for a single task."""

    @property
    def unanswered(self) -> int:
        """Return the number of questions that the method left without a valid answer."""
        return self.outcomes.get("unparsable", 0) + self.outcomes.get("out of budget", 0)


def summarize(rows: Iterable[Row], averages: Mapping[str, Sequence[str]]) -> list[SummaryLine]:
    """Return for each method a line per task, then its averages.

    An average covers only the tasks that have rows.
    """
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    return [line for method, own in by_method.items() for line in _of_method(method, own, averages)]


def _of_method(method: str, rows: Sequence[Row], averages: Mapping[str, Sequence[str]]) -> list[SummaryLine]:
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    lines = [_line(method, task or "no task", own, _rate(own)) for task, own in by_task.items()]
    if not averages:
        return [*lines, _line(method, ALL, rows, _rate(rows), tuple(by_task))] if len(by_task) > 1 else lines
    for name, tasks in averages.items():
        present = [task for task in tasks if task in by_task]
        if present:
            groups = [([row.score for row in by_task[task]], _weights(by_task[task])) for task in present]
            own = [row for task in present for row in by_task[task]]
            lines.append(_line(method, name, own, macro_average(groups), tuple(present)))
    return lines


def _rate(rows: Sequence[Row]) -> Estimate:
    return mean_score([row.score for row in rows], _weights(rows))


def _weights(rows: Sequence[Row]) -> list[float]:
    """Return the weights of rows; empty if they are equal."""
    weights = [row.weight for row in rows]
    return weights if len(set(weights)) > 1 else []


def _line(
    method: str, name: str, rows: Sequence[Row], rated: Estimate, average_of: tuple[str, ...] = ()
) -> SummaryLine:
    def mean(values: Iterable[float]) -> float:
        return statistics.fmean(values)

    return SummaryLine(
        method=method,
        name=name,
        count=len(rows),
        accuracy=rated,
        outcomes=Counter(row.outcome for row in rows),
        turns=mean(row.turns for row in rows),
        frames=mean(row.usage.frames for row in rows),
        audio_s=mean(row.usage.audio_s for row in rows),
        tokens=mean(row.usage.input_tokens + row.usage.output_tokens for row in rows),
        model_calls=mean(row.usage.model_calls for row in rows),
        wall_s=mean(row.usage.wall_s for row in rows),
        average_of=average_of,
    )


FAILURE_LABELS = ("no valid answer", "infrastructure errors")
"""Labels of the last table rows, which count questions without an answer."""


def accuracy_table(lines: Sequence[SummaryLine]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table: accuracy by task and method, then averages and failure counts."""
    methods = list(dict.fromkeys(line.method for line in lines))
    cells = {(line.method, line.name): line for line in lines}
    rows: list[list[str]] = []
    for name in dict.fromkeys(line.name for line in lines):
        own = [cells.get((method, name)) for method in methods]
        count = next(line.count for line in own if line)
        rows.append([name, str(count), *(str(line.accuracy) if line else "" for line in own)])
    tasks = [[line for line in lines if line.method == method and not line.average_of] for method in methods]
    unanswered = [sum(line.unanswered for line in own) for own in tasks]
    infrastructure = [sum(line.outcomes.get("infrastructure error", 0) for line in own) for own in tasks]
    for name, counts in zip(FAILURE_LABELS, (unanswered, infrastructure), strict=True):
        rows.append([name, "", *map(str, counts)])
    return ["task", "questions", *methods], rows
