"""Turn the statements that fit a query into windows of videos, best first.

Statements of a video that lie close together are evidence about one moment: they make one window. Its score is that of
its best statement, and half, a quarter, ... of the next ones. A window with several fitting statements is thus better
than one of them, and many similar statements do not add up without limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.index.store import Hit, Statement

GAP_S = 2.0
"""Statements of one window lie at most this far apart, in seconds."""
LONGEST_S = 20.0
"""A statement is not added to a window that would become longer than this, in seconds."""
MOST_STATEMENTS = 4
"""Statements of a window that are shown, the best ones."""


@dataclass(frozen=True)
class FoundWindow:
    """A window of a video, with the statements that fit the query, in order of time."""

    video: int
    """Id of the video in the index."""
    start_s: float
    end_s: float
    statements: tuple[Statement, ...]
    score: float


def windows_of(hits: Iterable[Hit], limit: int) -> list[FoundWindow]:
    """Return the best windows; among equals the one whose statement was found first."""
    by_video: defaultdict[int, list[tuple[int, Hit]]] = defaultdict(list)
    for order, hit in enumerate(hits):
        by_video[hit.video].append((order, hit))
    found = [window for ranked in by_video.values() for window in _of_video(ranked)]
    found.sort(key=lambda placed: (-placed[1].score, placed[0]))
    return [window for _, window in found[:limit]]


def _of_video(ranked: Sequence[tuple[int, Hit]]) -> list[tuple[int, FoundWindow]]:
    groups: list[list[tuple[int, Hit]]] = []
    for order, hit in sorted(ranked, key=lambda one: (one[1].statement.start_s, one[0])):
        if groups and _belongs(hit, groups[-1]):
            groups[-1].append((order, hit))
        else:
            groups.append([(order, hit)])
    return [(min(order for order, _ in group), _window([hit for _, hit in group])) for group in groups]


def _belongs(hit: Hit, group: Sequence[tuple[int, Hit]]) -> bool:
    start_s = min(other.statement.start_s for _, other in group)
    end_s = max(other.statement.end_s for _, other in group)
    said = hit.statement
    return said.start_s - end_s <= GAP_S and max(end_s, said.end_s) - start_s <= LONGEST_S


def _window(hits: Sequence[Hit]) -> FoundWindow:
    best = sorted(hits, key=lambda hit: -hit.score)
    shown = sorted((hit.statement for hit in best[:MOST_STATEMENTS]), key=lambda said: (said.start_s, said.end_s))
    return FoundWindow(
        video=hits[0].video,
        start_s=min(hit.statement.start_s for hit in hits),
        end_s=max(hit.statement.end_s for hit in hits),
        statements=tuple(shown),
        score=sum(hit.score / 2**place for place, hit in enumerate(best)),
    )
