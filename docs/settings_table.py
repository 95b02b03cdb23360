"""MkDocs hook: insert the table of `CVRContext`'s settings where a page asks for it.

The rows come from the dataclass fields and their annotations, which a LangGraph server
shows too, so the page cannot disagree with the code.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from agentcvr_graph import CVRContext

PLACEHOLDER = "<!-- settings -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholder on a page; MkDocs calls this for every page."""
    if PLACEHOLDER not in markdown:
        return markdown
    return markdown.replace(PLACEHOLDER, settings_table())


def settings_table() -> str:
    """Return one Markdown row per setting: name, default, description."""
    hints = get_type_hints(CVRContext, include_extras=True)
    rows = ["| setting | default | description |", "|---|---|---|"]
    for setting in fields(CVRContext):
        (described,) = hints[setting.name].__metadata__
        row = f"| `{setting.name}` | `{setting.default!r}` | {described.description} |"
        rows.append(row)
    return "\n".join(rows)
