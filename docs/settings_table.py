"""MkDocs hook: insert the table of `CVRContext`'s settings where a page asks for it.

The rows come from the fields and their annotations, which a LangGraph server
shows too, so the page cannot disagree with the code.
"""

from __future__ import annotations

from typing import Any

from agentcvr_graph import CVRContext

PLACEHOLDER = "<!-- settings -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholder on a page; MkDocs calls this for every page."""
    if PLACEHOLDER not in markdown:
        return markdown
    return markdown.replace(PLACEHOLDER, settings_table())


def settings_table() -> str:
    """Return one Markdown row per setting: name, default, description."""
    rows = ["| setting | default | description |", "|---|---|---|"]
    rows += [
        f"| `{name}` | `{field.default!r}` | {field.description} |"
        for name, field in CVRContext.model_fields.items()
    ]
    return "\n".join(rows)
