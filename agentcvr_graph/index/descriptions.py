"""Several descriptions in one query: find them, and give each of them its share of the windows.

A question that compares videos describes each of them: "Which is older: the video in which a bride cuts a cake, or the
one in which a farmer holds a lamb?" One ranking for all of its words gives most of the few windows that are shown to
one description. So the query is cut where English begins another one, each part is searched by itself, and the parts
take turns. A part that describes nothing ("Which is older") fits very many windows equally well. It takes no turn: what
counts is by how much a part's best window stands out from the other windows that it finds.

"and", "while", "before" and the like join what is seen in one video, where all words together are the better query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agentcvr_graph.index.windows import FoundWindow
from agentcvr_graph.index.words import telling_words

LEAST_WORDS = 2
"""Words of a description, at least: a single one belongs to a list."""
BACKGROUND = 10
"""The place of the window from which the best one of a part must stand out."""
TELLING = 0.4
"""A part describes something if its best window stands out so much, as a share of the part of which it does most."""
_NEXT = "who|whom|whose|what|which|where|when|how|why|the one|one|another|in another"
_CUT = re.compile(
    rf'"[^"]*"|(?P<cut>[.?!:;]+(?:\s|$)|,(?!\d)|\s[-–—]\s'  # noqa: RUF001
    rf"|\b(?:or|but|whereas|than|versus|vs)\b|\band (?=(?:{_NEXT})\b))",
    re.IGNORECASE,
)


def descriptions(query: str) -> list[str]:
    """Return the parts of a query that may be descriptions of different videos. What is quoted is not cut.

    >>> descriptions("Which is older: the video in which a bride cuts a cake, or the one in which a dog barks?")
    ['the video in which a bride cuts a cake', 'the one in which a dog barks']
    """
    cuts = [found.span("cut") for found in _CUT.finditer(query) if found["cut"]]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(query)]
    parts = [query[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return [part for part in parts if len(telling_words(part)) >= LEAST_WORDS]


def taking_turns(rankings: Iterable[Sequence[FoundWindow]], limit: int) -> list[FoundWindow]:
    """Return the best windows of several descriptions, which take turns; none unless several describe something.

    The description whose best window stands out most begins, and so has the place that is left over.
    """
    standing_out = sorted(((_stands_out(one), one) for one in rankings if one), key=lambda pair: -pair[0])
    least = TELLING * standing_out[0][0] if standing_out else 0.0
    telling = [one for share, one in standing_out if share >= max(least, 1e-9)]
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
