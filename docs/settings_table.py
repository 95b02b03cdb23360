"""Writes the table of a run's knobs into the page that asks for it, from the very fields that a server shows."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from agentcvr_graph import CVRContext

PLACE = "<!-- knobs -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """As MkDocs calls it, for every page."""
    return markdown.replace(PLACE, table()) if PLACE in markdown else markdown


def table() -> str:
    """One row a knob: name, default, meaning."""
    hints = get_type_hints(CVRContext, include_extras=True)
    rows = ["| knob | default | |", "|---|---|---|"]
    for knob in fields(CVRContext):
        (described,) = hints[knob.name].__metadata__
        rows.append(f"| `{knob.name}` | `{knob.default!r}` | {described.description} |")
    return "\n".join(rows)
