"""Times as people and models write them, shared by kinds whose values are times."""

from __future__ import annotations

import re

TIME = r"(?:\d+:)?(?:\d+:)?\d+(?:\.\d+)?"
"""A regular expression for '74', '74.5', '1:14' or '0:01:14'."""
_CLOCK = re.compile(r"(?:(?P<h>\d{1,3}):(?=\d{1,2}:))?(?P<m>\d{1,4}):(?P<s>\d{1,2}(?:[.,]\d{1,6})?)")


def read_time_s(value: object) -> float:
    """Return the seconds of 74, '74.0', '74 s', '1:14' or '0:01:14'.

    Raises:
        ValueError: the value is not a time.
    """
    text = re.sub(r"\s*(?:s|secs?|seconds?)\.?$", "", str(value).strip(), flags=re.I)
    if ":" not in text:
        return float(text)
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise ValueError(f"{value!r} is not a time")
    hours, minutes, seconds = int(clock["h"] or 0), int(clock["m"]), float(clock["s"].replace(",", "."))
    if seconds >= 60 or (clock["h"] and minutes >= 60):
        raise ValueError(f"{value!r} is not a time")
    return hours * 3600 + minutes * 60 + seconds
