"""Rank statements by BM25, in a time that does not grow with how common the words of a query are.

FTS5 scores every statement that has any word of the query, 2 microseconds each. Where that would be too many, the
candidates are the best statements by the rarest words alone, and each common word they contain adds its weight. So a
common word may move a statement up, and never brings one in that has none of the rarer words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentcvr_graph.index.words import begins_a_word, expression

MATCHES = 2_500
"""Largest number of matches that are scored, unless the rarest word alone has more."""
CANDIDATES = 5
"""Candidates for each statement that is wanted, where common words are added."""
Read = Callable[..., list[Any]]
"""Executes a query and returns its rows."""


def ranked(read: Read, counts: Mapping[str, int], where: str, values: Sequence[object], limit: int) -> list[Any]:
    """Return the best statements with their scores as the last column; among equals the first added.

    Args:
        counts: how many statements have each word of the query: `matches_of`.
        where: a condition on `statements`, which starts with ` AND`; empty for none.
        values: its parameters.
    """
    rare = _rarest(counts)
    if len(rare) == len(counts):
        return _scored(read, rare, where, values, limit)
    found = _scored(read, rare, where, values, CANDIDATES * limit)
    if len(found) < limit:
        return _scored(read, list(counts), where, values, limit)
    total = _total(read)
    weights = [(begins_a_word(word), _weight(counts[word], total)) for word in counts if word not in rare]
    texts = {row[0]: row[5].casefold() for row in found}
    scores = {row[0]: row[-1] + sum(weight for has, weight in weights if has(texts[row[0]])) for row in found}
    best = sorted(found, key=lambda row: (-scores[row[0]], row[0]))[:limit]
    return [(*row[:-1], scores[row[0]]) for row in best]


def weight_of(read: Read, counts: Mapping[str, int]) -> float:
    """Return the score of a statement of usual length that has each of these words once."""
    total = _total(read)
    return sum(_weight(count, total) for count in counts.values())


def _total(read: Read) -> int:
    return read("SELECT max(id) FROM statements")[0][0] or 0


def _weight(matches: int, total: int) -> float:
    """Return the weight of a word in BM25: what a statement of usual length gets that has it once."""
    return math.log(max(1.0, (total - matches + 0.5) / (matches + 0.5)))


def matches_of(read: Read, word: str) -> int:
    """Return how many statements have a word."""
    return read("SELECT count(*) FROM words WHERE words MATCH ?", expression([word]))[0][0]


def _rarest(counts: Mapping[str, int]) -> list[str]:
    """Return the rarest words that together have few enough matches; at least one that has any."""
    rare: list[str] = []
    total = 0
    for word in sorted(counts, key=lambda word: counts[word]):
        total += counts[word]
        if total > MATCHES and any(counts[one] for one in rare):
            break
        rare.append(word)
    return rare


def _scored(read: Read, words: Sequence[str], where: str, values: Sequence[object], limit: int) -> list[Any]:
    # `words` comes first and is read in order of rank, so that the statements are read of the best rows only.
    return read(
        "SELECT statements.id, video, modality, start_s, end_s, statements.text, -rank FROM words"
        f" CROSS JOIN statements ON statements.id = words.rowid WHERE words MATCH ?{where} ORDER BY rank LIMIT ?",
        expression(words),
        *values,
        limit,
    )
