"""Order windows so that the first ones together cover the words of a query.

A query may describe two things, each in another video. By score alone, near copies of the better match take all places
of a short list. So the next window is always the one with the highest score, of which a fifth counts only by the share
of its words that no window before it has. Rare words weigh more. A window that repeats others thus keeps four fifths of
its score, so that a match which is a little weaker than its near copies stays among the first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentcvr_graph.index.words import beginning, query_words

if TYPE_CHECKING:
    from agentcvr_graph.index.windows import FoundWindow


NEW = 0.2
"""Share of a score that counts by new words. With more, questions about one video lose what those about two win."""


def covering(windows: Sequence[FoundWindow], query: str, limit: int) -> list[FoundWindow]:
    """Return the windows, given best first, with the first `limit` chosen one after another; the others follow."""
    words = _words_of(windows, query)
    counts = Counter(word for has in words for word in has)
    weights = {word: math.log1p(len(windows) / count) for word, count in counts.items()}
    left, chosen, covered = list(range(len(windows))), list[int](), set[str]()

    def gain(place: int) -> float:
        total = sum(weights[word] for word in words[place])
        new = sum(weights[word] for word in words[place] - covered)
        return windows[place].score * (1 - NEW + NEW * (new / total if total else 0))

    while left and len(chosen) < limit:
        best = max(left, key=gain)  # among equals the first
        left.remove(best)
        chosen.append(best)
        covered |= words[best]
    return [windows[place] for place in (*chosen, *left)]


def _words_of(windows: Sequence[FoundWindow], query: str) -> list[frozenset[str]]:
    """Return the words of the query that each window has."""
    patterns = {word: beginning(word) for word in query_words(query)}
    texts = ["\n".join(said.text for said in window.statements) for window in windows]
    return [frozenset(word for word, pattern in patterns.items() if pattern.search(text)) for text in texts]
