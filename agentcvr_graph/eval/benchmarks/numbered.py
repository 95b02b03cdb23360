"""Fields that hold a list, and numbered fields that hold one item each: `videos`, or `video_1`, `video_2`, ..."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from agentcvr_graph.eval.benchmarks.options import split_cell


def numbered(fields: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Return the fields `<prefix>_1`, `<prefix>_2`, ... (or `_a`, `_b`, ...) that hold something, in their order.

    >>> numbered({"video_10": "c", "video_2": "b", "video_1": None}, "video")
    [('2', 'b'), ('10', 'c')]
    """
    pattern = re.compile(rf"^{prefix}(?:[ _-]?(\d+)|[ _-]([A-Za-z]))$", re.I)
    matches = ((pattern.match(name.strip()), value) for name, value in fields.items())
    found = [(match[1] or match[2], value) for match, value in matches if match and not is_empty(value)]
    return sorted(found, key=lambda item: (int(item[0]) if item[0].isdecimal() else 0, item[0].upper()))


def is_empty(value: object) -> bool:
    """Return whether a stored value stands for nothing: null, an empty text, or the NaN of an empty cell."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def listed(fields: Mapping[str, Any], *names: str) -> list[Any]:
    """Return the items of the first of these fields that holds something: a list, an item, or several in a string."""
    stored = next((fields[name] for name in names if not is_empty(fields.get(name))), None)
    return [item for item in _items(stored) if not is_empty(item)]


def _items(stored: Any) -> Iterator[Any]:
    if isinstance(stored, str):
        found = split_cell(stored)
        yield from [found] if isinstance(found, dict) else found
    elif isinstance(stored, list | tuple):
        yield from cast(list[Any], stored)
    elif stored is not None:
        yield stored
