"""Plan close looks at text that a look could not read. It is reported only where `observe` can zoom."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.types import Region

SHARE = 0.5
"""Share of the frames that are left which close looks may cost."""
MOST_LOOKS = 16
USUAL_PRICE = 9
"""Frames that a frame costs at high detail, where the brief does not say it."""
Call = dict[str, Any]


def magnify(reading: Reading) -> list[Call]:
    """Return a call that looks at the places with small text at high detail, a frame each, as far as the budget goes.

    The first such moment of every place comes first, then the second, and so on.
    """
    left, targets = SHARE * reading.left.get("frames", 0), list[Call]()
    for statement, region in _places(reading):
        left -= reading.prices.get(statement.window.video, (USUAL_PRICE, USUAL_PRICE))[bool(region)]
        if left < 0 or len(targets) == MOST_LOOKS:
            break
        targets.append({**statement.window.model_dump(), "frames": 1, "region": region, "detail": "high"})
    return [{"name": "observe", "args": {"targets": targets, "focus": reading.question}}] if targets else []


def _places(reading: Reading) -> list[tuple[Statement, Region]]:
    places: dict[tuple[int, Region], list[Statement]] = defaultdict(list)
    for statement in reading.statements:
        for region in statement.unread:
            places[statement.window.video, region].append(statement)
    ranked: list[tuple[int, int, Region, Statement]] = [
        (n, video, region, said[n]) for (video, region), said in places.items() for n in range(len(said))
    ]
    return [(statement, region) for _, _, region, statement in sorted(ranked, key=lambda row: row[:3])]
