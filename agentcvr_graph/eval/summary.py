"""The summary of a run: accuracy by method and task, averages as the benchmark defines them, and counts of outcomes.

Every question stays in the denominator: one without an answer scores 0. Infrastructure errors and bugs are counted
separately, so that a reader sees how much of a low accuracy the method did not cause.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.benchmarks.base import ALL
from agentcvr_graph.eval.metrics import Estimate, macro_average, mean_score
from agentcvr_graph.eval.rows import Outcome, Row

GROUP = "group "
"""The name of a group's line begins with this."""


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
    """The tasks of an average or of a group; empty for a single task."""
    strict: Estimate | None = None
    """The accuracy by the benchmark's own script; None if the run did not ask for it."""

    @property
    def unanswered(self) -> int:
        """Return the number of questions that the method left without a valid answer."""
        return self.outcomes.get("unparsable", 0) + self.outcomes.get("out of budget", 0)


def summarize(rows: Iterable[Row], averages: Mapping[str, Sequence[str]]) -> list[SummaryLine]:
    """Return for each method a line per task, one per group where questions have groups, then its averages.

    An average covers only the tasks that have rows. An average without tasks is the mean of all questions.
    """
    by_method = _split(rows, lambda row: row.method)
    return [line for method, own in by_method.items() for line in _of_method(method, own, averages)]


def _of_method(method: str, rows: Sequence[Row], averages: Mapping[str, Sequence[str]]) -> Iterator[SummaryLine]:
    by_task = _split(rows, lambda row: row.task)
    for task, own in by_task.items():
        yield _line(method, task or "no task", [own])
    groups = _split([row for row in rows if row.group], lambda row: row.group)
    for group, own in groups.items():
        yield _line(method, GROUP + group, [own], average_of=tuple(_split(own, lambda row: row.task)))
    if not averages and (len(by_task) > 1 or groups):  # the last line is always that of the whole
        averages = {ALL: ()}
    for name, tasks in averages.items():
        present = [task for task in tasks if task in by_task]
        parts = [by_task[task] for task in present] if tasks else [rows]
        if present or not tasks:
            yield _line(method, name, parts, average_of=tuple(present or by_task))


def _split(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(key(row), []).append(row)
    return parts


def _rate(parts: Sequence[Sequence[Row]], score: Callable[[Row], float]) -> Estimate:
    """Return the mean of the rows of one part, or the mean of the means of several."""
    groups = [([score(row) for row in rows], _weights(rows)) for rows in parts]
    return mean_score(*groups[0]) if len(groups) == 1 else macro_average(groups)


def _strict_rate(parts: Sequence[Sequence[Row]]) -> Estimate | None:
    """Return the strict accuracy, without the questions that the benchmark's script leaves out."""
    scored = [own for rows in parts if (own := [row for row in rows if row.strict is not None])]
    return _rate(scored, lambda row: row.strict or 0.0) if scored else None


def _weights(rows: Sequence[Row]) -> list[float]:
    """Return the weights of rows; empty if they are equal."""
    weights = [row.weight for row in rows]
    return weights if len(set(weights)) > 1 else []


def _line(method: str, name: str, parts: Sequence[Sequence[Row]], average_of: tuple[str, ...] = ()) -> SummaryLine:
    rows = [row for part in parts for row in part]

    def mean(values: Iterable[float]) -> float:
        return statistics.fmean(values)

    return SummaryLine(
        method=method,
        name=name,
        count=len(rows),
        accuracy=_rate(parts, lambda row: row.score),
        strict=_strict_rate(parts),
        outcomes=Counter(row.outcome for row in rows),
        turns=mean(row.turns for row in rows),
        frames=mean(row.usage.frames for row in rows),
        audio_s=mean(row.usage.audio_s for row in rows),
        tokens=mean(row.usage.input_tokens + row.usage.output_tokens for row in rows),
        model_calls=mean(row.usage.model_calls for row in rows),
        wall_s=mean(row.usage.wall_s for row in rows),
        average_of=average_of,
    )


FAILURES: dict[str, Callable[[SummaryLine], int]] = {
    "abstained": lambda line: line.outcomes.get("abstained", 0),
    "no valid answer": lambda line: line.unanswered,
    "infrastructure errors": lambda line: line.outcomes.get("infrastructure error", 0),
    "bugs": lambda line: line.outcomes.get("bug", 0),
}
"""The last table rows, which count questions without an answer."""
RARE = frozenset({"abstained", "bugs"})
"""Those that have a row only if there are some."""

STRICT = "strict"
"""Head of the column with the score of the benchmark's own script."""


def accuracy_table(lines: Sequence[SummaryLine]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table: accuracy by task and method, then averages and failure counts."""
    methods = list(dict.fromkeys(line.method for line in lines))
    cells = {(line.method, line.name): line for line in lines}
    strict = any(line.strict for line in lines)
    rows: list[list[str]] = []
    for name in dict.fromkeys(line.name for line in lines):
        own = [cells.get((method, name)) for method in methods]
        count = next(line.count for line in own if line)
        rows.append([name, str(count), *(text for line in own for text in _cells(line, strict))])
    tasks = [[line for line in lines if line.method == method and not line.average_of] for method in methods]
    for name, count_of in FAILURES.items():
        counts = [sum(map(count_of, own)) for own in tasks]
        if any(counts) or name not in RARE:
            rows.append([name, "", *(text for count in counts for text in [str(count)] + [""] * strict)])
    return ["task", "questions", *(text for method in methods for text in [method] + [STRICT] * strict)], rows


def _cells(line: SummaryLine | None, strict: bool) -> list[str]:
    both = [str(line.accuracy), str(line.strict or "")] if line else ["", ""]
    return both if strict else both[:1]
