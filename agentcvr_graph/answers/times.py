"""Times as people and models write them, shared by kinds whose values are times."""

from __future__ import annotations

TIME = r"(?:\d+:)?(?:\d+:)?\d+(?:\.\d+)?"
"""A regular expression for '74', '74.5', '1:14' or '0:01:14'."""


def read_time_s(value: object) -> float:
    """Return the seconds of 74, '74.0', '74 s', '1:14' or '0:01:14'.

    Raises:
        ValueError: the value is not a time.
    """
    total_s = 0.0
    for part in str(value).strip().rstrip("s ").split(":"):
        total_s = total_s * 60 + float(part)
    return total_s
