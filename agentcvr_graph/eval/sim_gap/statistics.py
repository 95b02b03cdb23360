"""The statistics of a sim-to-real report: accuracy scripted and live, and how far the two sides agree.

Questions about the same videos (`scripts sets`) form a cluster, and intervals are clustered.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.metrics import Estimate, clustered_difference, clustered_mean
from agentcvr_graph.eval.sim_gap.facts import FACT_KINDS, FactKind, FactMatch
from agentcvr_graph.eval.sim_gap.pairs import Pair
from agentcvr_graph.trajectory import Turn
from agentcvr_graph.types import Window

SAME_IOU = 0.5
"""Windows with this intersection over union count as the same."""


@dataclass(frozen=True)
class TaskSummary:
    """The results of one task, or of all tasks."""

    name: str
    count: int
    clusters: int
    """Number of different sets of videos. Intervals are clustered by them."""
    scripted: Estimate
    live: Estimate
    gap: Estimate
    """Scripted minus live, question by question, from -1 to 1."""
    answers_agree: float
    actions_agree: float

    @property
    def gap_points(self) -> float:
        """Return scripted minus live accuracy, in points."""
        return 100 * self.gap.mean


@dataclass(frozen=True)
class FactSummary:
    """How often both sides reported a kind of fact."""

    kind: FactKind
    count: int
    scripted: float
    """Share of the facts that the scripted side reported."""
    live: float
    agree: float
    """Share of the facts that both sides reported, or neither."""


def summarize_tasks(pairs: Sequence[Pair]) -> list[TaskSummary]:
    """Return one entry per task, and one for all questions."""
    tasks = dict.fromkeys(pair.script.task for pair in pairs)
    rows = [_row(task, [pair for pair in pairs if pair.script.task == task]) for task in tasks]
    return [*rows, _row("all", pairs)]


def summarize_facts(both: Iterable[tuple[FactMatch, FactMatch]]) -> list[FactSummary]:
    """Return one entry per kind of fact; `both` holds the scripted and the live match of each fact."""
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
    """Return the share of windows of both runs that the other run used in the same turn."""
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
    clusters = [pair.cluster for pair in pairs]
    scripted, live = [pair.scripted_score for pair in pairs], [pair.live_score for pair in pairs]
    return TaskSummary(
        name=name,
        count=len(pairs),
        clusters=len(set(clusters)),
        scripted=clustered_mean(scripted, clusters),
        live=clustered_mean(live, clusters),
        gap=clustered_difference(scripted, live, clusters),
        answers_agree=statistics.fmean(pair.answers_agree for pair in pairs),
        actions_agree=statistics.fmean(actions_agree(pair) for pair in pairs),
    )
