"""The figures of a gap report: accuracy in both worlds, and what the two worlds agree on."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.metrics import Rate, rate
from agentcvr_graph.eval.sim_gap.facts import SORTS, Comparison, Sort
from agentcvr_graph.eval.sim_gap.pairs import Pair
from agentcvr_graph.trajectory import Turn
from agentcvr_graph.types import Window

SAME_IOU = 0.5
"""Windows that overlap by this much are the same look."""


@dataclass(frozen=True)
class TaskFigures:
    """One row: a task, or all of them."""

    name: str
    count: int
    scripted: Rate
    live: Rate
    answers_agree: float
    actions_agree: float

    @property
    def gap_points(self) -> float:
        """Scripted minus live accuracy, in points."""
        return 100 * (self.scripted.mean - self.live.mean)


@dataclass(frozen=True)
class FactFigures:
    """How a sort of fact fared on both sides."""

    sort: Sort
    count: int
    scripted: float
    """Share of the facts that the scripted senses brought back."""
    live: float
    agree: float
    """Share of the facts that both sides brought back, or neither."""


def task_figures(pairs: Sequence[Pair]) -> list[TaskFigures]:
    """A row for each task, and one for all questions."""
    tasks = dict.fromkeys(pair.script.task for pair in pairs)
    rows = [_row(task, [pair for pair in pairs if pair.script.task == task]) for task in tasks]
    return [*rows, _row("all", pairs)]


def fact_figures(both: Iterable[tuple[Comparison, Comparison]]) -> list[FactFigures]:
    """A row for each sort of fact; `both` holds the scripted and the live finding of each fact."""
    found = list(both)
    rows: list[FactFigures] = []
    for sort in SORTS:
        of_sort = [(one.seen, other.seen) for one, other in found if one.sort == sort]
        if of_sort:
            count = len(of_sort)
            scripted, live = (sum(flags) / count for flags in zip(*of_sort, strict=True))
            rows.append(FactFigures(sort, count, scripted, live, sum(a == b for a, b in of_sort) / count))
    return rows


def actions_agree(pair: Pair) -> float:
    """Share of the windows of both runs that the other run looked at or listened to in the same turn."""
    one, other = (_looks(pair.scripted.turns), _looks(pair.live.turns))
    if not one and not other:
        return 1.0
    matched = sum(any(_same(look, rival) for rival in other) for look in one)
    matched += sum(any(_same(look, rival) for rival in one) for look in other)
    return matched / (len(one) + len(other))


Look = tuple[int, str, Window]


def _looks(turns: Sequence[Turn]) -> list[Look]:
    return [
        (turn.number, action.tool, window)
        for turn in turns
        for action in turn.actions
        if action.observation is not None
        for window in action.observation.windows
    ]


def _same(one: Look, other: Look) -> bool:
    if one[:2] != other[:2]:
        return False
    shared_s = one[2].overlap_s(other[2])
    return shared_s >= SAME_IOU * (one[2].duration_s + other[2].duration_s - shared_s)


def _row(name: str, pairs: Sequence[Pair]) -> TaskFigures:
    return TaskFigures(
        name=name,
        count=len(pairs),
        scripted=rate([pair.scripted_score for pair in pairs]),
        live=rate([pair.live_score for pair in pairs]),
        answers_agree=statistics.fmean(pair.answers_agree for pair in pairs),
        actions_agree=statistics.fmean(actions_agree(pair) for pair in pairs),
    )
