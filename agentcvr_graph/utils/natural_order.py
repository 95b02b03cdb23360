"""Natural order of names: `clip 2` before `Clip 10`."""

from __future__ import annotations

import re


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key by which numbers in names count as numbers, and letter case only among equals.

    >>> sorted(["clip 10", "Clip 2", "clip 1"], key=natural)
    ['clip 1', 'Clip 2', 'clip 10']
    """
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name
