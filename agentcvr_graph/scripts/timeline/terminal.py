"""A script in the terminal: a table of scenes for each video."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.view import VideoTimeline, view_of


def script_lines(script: Script) -> RenderableType:
    """Return the question with its options and key, then one table a video; a star marks the evidence."""
    view = view_of(script)
    head = Text.from_markup(f"[bold]{escape(script.question)}[/bold]  [dim]{script.task} {script.id}[/dim]")
    options = [Text(f"  {'*' if right else ' '} {label}. {text}") for label, text, right in view.options]
    return Group(
        head, *options, Text(f"  key: {view.key}"), *(_table(timeline) for timeline in view.timelines), Text(view.made)
    )


def _table(timeline: VideoTimeline) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"{timeline.number}. {timeline.title}", title_justify="left")
    table.add_column("", width=1)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("seen", style="blue", ratio=3)
    table.add_column("heard", style="yellow", ratio=2)
    for block in sorted([*timeline.seen, *timeline.heard], key=lambda block: (block.start_s, block.type != "scene")):
        seen, heard = (block.text, "") if block in timeline.seen else ("", block.text)
        window = f"{block.start_s:.1f}-{block.end_s:.1f}"
        table.add_row("*" if block.proves else "", window, escape(seen), escape(heard))
    return table
