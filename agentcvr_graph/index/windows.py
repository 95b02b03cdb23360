"""Turn the statements that fit a query into windows of videos, best first.

Statements of a video that lie close together are evidence about one moment: they make one window. Its score is that of
its best statement, and a quarter, a sixteenth, ... of the next ones. A window with several fitting statements is thus
better than one of them, and several that fit by chance do not come before one that fits well.

Where the meaning of statements was compared too, two figures between 0 and 1 are added. One is the share of the query's
words that the window has, weighted by how rare they are: words that are nowhere in the index count as the rarest ones,
so where a query says it in other words, chance matches of the rest weigh little. The other is how far the window's most
similar statement stands above the least similar one that was found.

Several descriptions in one query take turns, since one ranking gives most of the few windows to one description. A part
that describes nothing ("Which is older") fits very many windows equally well. It takes no turn: what counts is by how
much a part's best window stands out from the other windows that it finds.
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
BACKGROUND = 10
"""The place of the window from which the best one of a description must stand out."""
TELLING = 0.4
"""A part describes something if its best window stands out so much, as a share of the part of which it does most."""


_TINY = 1e-9


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


def windows_of(hits: Iterable[Hit], limit: int, similar: Sequence[Hit] = (), whole: float = 1.0) -> list[FoundWindow]:
    """Return the best windows; among equals the one whose statement was found first.

    Args:
        hits: the statements that share words with the query, best first.
        similar: the statements that are similar in meaning, with their similarities.
        whole: the score of a statement that has all words of the query.
    """
    by_video: defaultdict[int, list[_Said]] = defaultdict(list)
    for video, said in _joined(list(hits), similar):
        by_video[video].append(said)
    placed = [window for video, said in by_video.items() for window in _of_video(video, said)]
    if similar:
        least = min(hit.score for hit in similar)
        placed = [(place, _fused(window, whole, least)) for place, window in placed]
    return [window for _, window in sorted(placed, key=lambda one: (-one[1].score, one[0]))[:limit]]


def taking_turns(rankings: Iterable[Sequence[FoundWindow]], limit: int) -> list[FoundWindow]:
    """Return the best windows of several descriptions, which take turns; none unless several describe something.

    The description whose best window stands out most begins, and so has the place that is left over.
    """
    standing_out = sorted(((_stands_out(one), one) for one in rankings if one), key=lambda pair: -pair[0])
    least = TELLING * standing_out[0][0] if standing_out else 0.0
    telling = [one for share, one in standing_out if share >= max(least, _TINY)]
    if len(telling) < 2:
        return []
    chosen: list[FoundWindow] = []
    for place in range(limit):
        for window in (one[place] for one in telling if place < len(one)):
            if not any(window.overlaps(other) for other in chosen):
                chosen.append(window)
    return chosen[:limit]


def _stands_out(windows: Sequence[FoundWindow]) -> float:
    background = windows[BACKGROUND - 1].score if len(windows) >= BACKGROUND else 0.0
    return windows[0].score - background


def _joined(hits: Sequence[Hit], similar: Sequence[Hit]) -> Iterable[tuple[int, _Said]]:
    """Yield each statement once, with its video."""
    scores = {(hit.video, hit.statement): hit.score for hit in hits}
    similarities = {(hit.video, hit.statement): hit.score for hit in similar}
    for order, (video, said) in enumerate(scores | similarities):
        yield video, _Said(order, said, scores.get((video, said), 0.0), similarities.get((video, said), 0.0))


def _fused(window: FoundWindow, whole: float, least: float) -> FoundWindow:
    near = max(0.0, window.similarity - least) / max(1 - least, _TINY)
    return replace(window, score=window.score / max(whole, _TINY) + near)


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
