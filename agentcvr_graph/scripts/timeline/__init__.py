"""Drawings of a script: its videos over time, as a page, as a picture, or in the terminal.

`view.py` lays a script out once; the page and the picture draw the same blocks.
"""

from __future__ import annotations

from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.page import render_page
from agentcvr_graph.scripts.timeline.terminal import script_lines
from agentcvr_graph.utils.files import atomic_write_text

__all__ = ["draw_script", "render_page", "script_lines"]


def draw_script(script: Script, path: Path) -> None:
    """Draw a script into a `.html` or `.png` file.

    Raises:
        InputError: the file has another ending.
        SetupError: matplotlib is not installed (for a picture).
    """
    if path.suffix not in (".html", ".png"):
        raise InputError(f"{path}: a script is drawn as .html or .png.", fix=f"Name it {path.with_suffix('.html')}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".html":
        atomic_write_text(path, render_page(script))
        return
    from agentcvr_graph.scripts.timeline.picture import draw_picture

    draw_picture(script, path)
