"""The figures of a gap report: accuracy in both worlds, and what the two worlds agree on."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.metrics import Estimate, mean_score
from agentcvr_graph.eval.sim_gap.facts import FACT_KINDS, FactKind, FactMatch
from agentcvr_graph.eval.sim_gap.pairs import Pair
from agentcvr_graph.trajectory import Turn
from agentcvr_graph.types import Window

SAME_IOU = 0.5
"""Windows that overlap by this much are the same look."""


@dataclass(frozen=True)
class TaskSummary:
    """One row: a task, or all of them."""

    name: str
    count: int
    scripted: Estimate
    live: Estimate
    answers_agree: float
    actions_agree: float

    @property
    def gap_points(self) -> float:
        """Scripted minus live accuracy, in points."""
        return 100 * (self.scripted.mean - self.live.mean)


@dataclass(frozen=True)
class FactSummary:
    """How a sort of fact fared on both sides."""

    kind: FactKind
    count: int
    scripted: float
    """Share of the facts that the scripted senses brought back."""
    live: float
    agree: float
    """Share of the facts that both sides brought back, or neither."""


def summarize_tasks(pairs: Sequence[Pair]) -> list[TaskSummary]:
    """A row for each task, and one for all questions."""
    tasks = dict.fromkeys(pair.script.task for pair in pairs)
    rows = [_row(task, [pair for pair in pairs if pair.script.task == task]) for task in tasks]
    return [*rows, _row("all", pairs)]


def summarize_facts(both: Iterable[tuple[FactMatch, FactMatch]]) -> list[FactSummary]:
    """A row for each sort of fact; `both` holds the scripted and the live finding of each fact."""
    found = list(both)
    rows: list[FactSummary] = []
    for kind in FACT_KINDS:
        of_kind = [(one.seen, other.seen) for one, other in found if one.kind == kind]
        if of_kind:
            count = len(of_kind)
            scripted, live = (sum(flags) / count for flags in zip(*of_kind, strict=True))
            rows.append(FactSummary(kind, count, scripted, live, sum(a == b for a, b in of_kind) / count))
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


def _row(name: str, pairs: Sequence[Pair]) -> TaskSummary:
    return TaskSummary(
        name=name,
        count=len(pairs),
        scripted=mean_score([pair.scripted_score for pair in pairs]),
        live=mean_score([pair.live_score for pair in pairs]),
        answers_agree=statistics.fmean(pair.answers_agree for pair in pairs),
        actions_agree=statistics.fmean(actions_agree(pair) for pair in pairs),
    )
