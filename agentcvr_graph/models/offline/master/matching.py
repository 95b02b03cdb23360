"""Match statements with words: by shared stems, each weighted by how rare it is among all statements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.models.offline.master.language import words_of
from agentcvr_graph.models.offline.master.reading import Statement

CONTIGUOUS_S = 1.0
"""Largest gap between two statements that count as consecutive."""
ALIKE = 0.8
"""A match with at least this share of the best score counts as the same thing as the best match."""


@dataclass(frozen=True)
class Match:
    """A statement and the weighted share of the wanted words that it contains, from 0 to 1."""

    statement: Statement
    score: float


class Matcher:
    """A set of statements that can be searched by words."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._statements = list(statements)
        self._stems = {id(statement): words_of(statement.text) for statement in self._statements}
        self._count = Counter(stem for found in self._stems.values() for stem in found)

    def weight(self, stem: str) -> float:
        """Return the rarity of a stem; 0 if no statement contains it, because it does not distinguish statements.

        A number has no other wording, so one that no statement contains counts: it makes every match worse.
        """
        count = self._count.get(stem, 0) or stem.isdigit()
        return math.log(1 + len(self._statements) / count) if count else 0.0

    def score(self, wanted: Iterable[str], statement: Statement) -> float:
        """Return the weighted share of `wanted` that a statement contains."""
        weights = {stem: self.weight(stem) for stem in wanted}
        total = sum(weights.values())
        held = self._stems.get(id(statement), frozenset())
        return sum(weight for stem, weight in weights.items() if stem in held) / total if total else 0.0

    def best(self, wanted: frozenset[str], keep: Callable[[Statement], bool] = lambda _: True) -> Match | None:
        """Return the best match, the earliest among equals; None if nothing matches."""
        return next(iter(self.ranked(wanted, keep)), None)

    def ranked(self, wanted: frozenset[str], keep: Callable[[Statement], bool] = lambda _: True) -> list[Match]:
        """Return all matches with a score above 0, the best first, the earlier first among equals."""
        matches = [Match(s, self.score(wanted, s)) for s in self._statements if keep(s)]
        found = [match for match in matches if match.score > 0]
        return sorted(found, key=lambda m: (-m.score, m.statement.window.video, m.statement.window.start_s))


def run_around(like: Sequence[Statement], best: Statement) -> list[Statement]:
    """Return the consecutive statements around the best one, from the observation with the closest frames there."""
    near = [s for s in like if s.window.overlap_s(best.window) > 0] or [best]
    spacing_s = min(s.spacing_s for s in near)
    level = sorted((s for s in like if s.spacing_s == spacing_s), key=lambda s: s.window.start_s)
    run = [next(s for s in level if s in near)]
    for statement in level:
        if abs(statement.window.start_s - run[-1].window.end_s) <= CONTIGUOUS_S and statement not in run:
            run.append(statement)
    for statement in reversed(level):
        if abs(run[0].window.start_s - statement.window.end_s) <= CONTIGUOUS_S and statement not in run:
            run.insert(0, statement)
    return run
