"""Read the events of ASS and SSA files by their own column list.

The line `Format:` of a section names the columns of the lines below it, in any order; the last one takes the rest of
the line with its commas. Without it, the columns are those of the format's version. `pysubs2` knows one order only and
gives up at the first line that it cannot read; here such a line is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_LINE = re.compile(r"^[ \t]*(Format|Dialogue|\[[^\]\n]+\])[ \t]*(?::[ \t]*(.*))?$", re.MULTILINE | re.IGNORECASE)
_EVENT = re.compile(r"^[ \t]*Dialogue:[^\n]*\d:\d\d:\d\d[.:]\d", re.MULTILINE | re.IGNORECASE)
_USUAL = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_NEEDED = {"start", "end", "text"}


def is_ass(text: str) -> bool:
    """Return whether a text has lines of ASS or SSA events; the headings may be missing."""
    return _EVENT.search(text) is not None


def ass_events(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield start, end and text of the events as they stand in the file; comments are no events."""
    columns: Sequence[str] = _USUAL
    in_events = True
    for found in _LINE.finditer(text):
        kind, rest = found[1].lower(), found[2] or ""
        if kind.startswith("["):
            in_events = kind == "[events]"
        elif kind == "format" and in_events:
            named = [name.strip().lower() for name in rest.split(",")]
            columns = named if set(named) >= _NEEDED else _USUAL
        elif kind == "dialogue":
            values = dict(zip(columns, rest.split(",", len(columns) - 1), strict=False))
            if set(values) >= _NEEDED:
                yield values["start"].strip(), values["end"].strip(), values["text"]
