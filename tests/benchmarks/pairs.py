"""Compare two ways of doing the same work so that a busy machine changes the ratio little.

Both ways run alternately in one process, in many short pairs, and every second pair starts with the other way. Each
pair gives one ratio; the figure is their median, shown with the quartiles. A phase in which the machine is slow falls
on both halves of a pair, and a pair that it splits is an outlier that the median ignores. Work that only computes is
compared in processor time, in which other processes do not count; work that waits is compared in wall time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.rows import Row


@dataclass(frozen=True)
class Pairs:
    """The seconds of each half of each pair, of at least two pairs."""

    ours_s: tuple[float, ...]
    other_s: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """The other's time over ours, of each pair: how many times as fast ours is."""
        return [other_s / ours_s for ours_s, other_s in zip(self.ours_s, self.other_s, strict=True)]

    def row(self, what: str, target: float | None = None) -> Row:
        """Return the row of the median ratio, with its quartiles and its target."""
        low, value, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        figure = f"{value:.2f} (quartiles {low:.2f}, {high:.2f})"
        return Row(what, figure) if target is None else Row(what, figure, f">= {target:g}", value >= target)


def processor_seconds(call: Callable[[], object]) -> float:
    """Return the processor time that a call takes in this process."""
    started_s = time.process_time()
    call()
    return time.process_time() - started_s


def alternately(
    ours: Callable[[], Any],
    other: Callable[[], Any],
    pairs: int,
    timed: Callable[[Callable[[], Any]], float] = processor_seconds,
) -> Pairs:
    """Run both ways once to warm up, then `pairs` times each, alternately.

    Args:
        timed: runs one way and returns its seconds.
    """
    ways = (ours, other)
    for way in ways:
        way()
    taken: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for way in (pair % 2, 1 - pair % 2):
            taken[way].append(timed(ways[way]))
    return Pairs(tuple(taken[0]), tuple(taken[1]))
