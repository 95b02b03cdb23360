"""Turn the statements that fit a query into windows of videos, best first.

Statements of a video that lie close together are evidence about one moment: they make one window. Its score is that of
its best statement, and a quarter, a sixteenth, ... of the next ones. A window with several fitting statements is thus
better than one of them, and several that fit by chance do not come before one that fits well.

Where the meaning of statements was compared too, a window has two ranks: by its words, and by its most similar
statement. Scores and similarities cannot be added, so the ranks are fused: the sum of 1 / (60 + rank) (reciprocal rank
fusion; Cormack, Clarke and Buettcher 2009). Only the first windows of each ranking are: deep in both, chance matches
are many, and two low ranks would come before the first place of one ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agentcvr_graph.index.store import Hit, Statement

GAP_S = 2.0
"""Statements of one window lie at most this far apart, in seconds."""
LONGEST_S = 20.0
"""A statement is not added to a window that would become longer than this, in seconds."""
NEXT = 4
"""A statement counts one part in this many of the one before it."""
MOST_STATEMENTS = 4
"""Statements of a window that are shown, the best ones."""
FUSION = 60
"""The constant of reciprocal rank fusion, as published."""
FUSED = 2
"""Windows of each ranking that are fused, for each window that is wanted."""


@dataclass(frozen=True)
class FoundWindow:
    """A window of a video, with the statements that fit the query, in order of time."""

    video: int
    """Id of the video in the index."""
    start_s: float
    end_s: float
    statements: tuple[Statement, ...]
    score: float
    """Larger is better; scores of different queries cannot be compared."""
    similarity: float = 0.0
    """The largest similarity of a statement."""

    def overlaps(self, other: FoundWindow) -> bool:
        """Return whether the windows have a moment of one video in common."""
        return self.video == other.video and self.start_s < other.end_s and other.start_s < self.end_s


@dataclass(frozen=True)
class _Said:
    """A statement that was found, by its words, its meaning, or both."""

    order: int
    """Its place among all that were found."""
    statement: Statement
    score: float
    similarity: float


def windows_of(hits: Iterable[Hit], limit: int, similar: Iterable[Hit] = ()) -> list[FoundWindow]:
    """Return the best windows; among equals the one whose statement was found first.

    Args:
        hits: the statements that share words with the query, best first.
        similar: the statements that are similar in meaning, with their similarities.
    """
    by_video: defaultdict[int, list[_Said]] = defaultdict(list)
    for video, said in _joined(list(hits), list(similar)):
        by_video[video].append(said)
    placed = [window for video, said in by_video.items() for window in _of_video(video, said)]
    placed.sort(key=lambda one: (-one[1].score, one[0]))
    by_words = [window for _, window in placed if window.score > 0]
    by_meaning = [window for _, window in placed if window.similarity > 0]
    by_meaning.sort(key=lambda window: -window.similarity)
    return (_fused((by_words[: FUSED * limit], by_meaning[: FUSED * limit])) if by_meaning else by_words)[:limit]


def _joined(hits: Sequence[Hit], similar: Sequence[Hit]) -> Iterable[tuple[int, _Said]]:
    """Yield each statement once, with its video."""
    scores = {(hit.video, hit.statement): hit.score for hit in hits}
    similarities = {(hit.video, hit.statement): hit.score for hit in similar}
    for order, (video, said) in enumerate(scores | similarities):
        yield video, _Said(order, said, scores.get((video, said), 0.0), similarities.get((video, said), 0.0))


def _fused(rankings: Iterable[Sequence[FoundWindow]]) -> list[FoundWindow]:
    """Return the windows of all rankings in the order of their fused ranks, which is their score then."""
    fused: defaultdict[FoundWindow, float] = defaultdict(float)
    for ranking in rankings:
        for rank, window in enumerate(ranking, start=1):
            fused[window] += 1 / (FUSION + rank)
    return sorted((replace(window, score=score) for window, score in fused.items()), key=lambda window: -window.score)


def _of_video(video: int, found: Sequence[_Said]) -> list[tuple[int, FoundWindow]]:
    """Return the windows of a video, each with the place of its first statement among all that were found."""
    groups: list[list[_Said]] = []
    for said in sorted(found, key=lambda one: (one.statement.start_s, one.order)):
        if groups and _belongs(said.statement, groups[-1]):
            groups[-1].append(said)
        else:
            groups.append([said])
    return [(min(said.order for said in group), _window(video, group)) for group in groups]


def _belongs(said: Statement, group: Sequence[_Said]) -> bool:
    start_s = min(other.statement.start_s for other in group)
    end_s = max(other.statement.end_s for other in group)
    return said.start_s - end_s <= GAP_S and max(end_s, said.end_s) - start_s <= LONGEST_S


def _window(video: int, group: Sequence[_Said]) -> FoundWindow:
    best = sorted(group, key=lambda said: (-said.score, -said.similarity))
    shown = sorted((said.statement for said in best[:MOST_STATEMENTS]), key=lambda said: (said.start_s, said.end_s))
    return FoundWindow(
        video=video,
        start_s=min(said.statement.start_s for said in group),
        end_s=max(said.statement.end_s for said in group),
        statements=tuple(shown),
        score=sum(said.score / NEXT**place for place, said in enumerate(best)),
        similarity=max(said.similarity for said in group),
    )
