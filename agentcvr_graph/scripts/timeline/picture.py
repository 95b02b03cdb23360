"""The picture of a script, drawn with matplotlib: the same timelines as the page, for papers and notebooks."""

from __future__ import annotations

import textwrap
from pathlib import Path

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.timeline.view import Block, ScriptView, VideoTimeline, view_of
from agentcvr_graph.utils.figures import Axes, new_figure

WIDTH_IN = 13.0
TIMELINE_IN = 1.45
FONT_PT = 7.5
CHARS_PER_IN = 15.5
"""Characters of the small font that fit into an inch."""
HUES = {"scene": "#d5e2f8", "speech": "#f6e0cb", "sound": "#dfe4ea", "gap": "#ffffff"}
CITED = "#178a5c"


def draw_picture(script: Script, path: Path) -> None:
    """Write a PNG.

    Raises:
        SetupError: matplotlib is not installed.
    """
    view = view_of(script)
    size_in = (WIDTH_IN, 1.5 + TIMELINE_IN * len(view.timelines))
    figure, plots = new_figure(len(view.timelines), 1, size_in=size_in, dpi=110, extra="gap")
    figure.suptitle(_heading(view), x=0.01, ha="left", fontsize=12)
    for timeline, axes in zip(view.timelines, plots, strict=True):
        _draw_timeline(axes, timeline)
    figure.savefig(path)


def _heading(view: ScriptView) -> str:
    options = "   ".join(f"{label}. {text}{' *' if right else ''}" for label, text, right in view.options)
    lines = [f"{view.script.task}  {view.script.question}", options, f"key: {view.key}     {view.made}"]
    return "\n".join(part for line in lines if line for part in textwrap.wrap(line, 150))


def _draw_timeline(axes: Axes, timeline: VideoTimeline) -> None:
    inch_s = timeline.duration_s / (WIDTH_IN - 1)
    for block in timeline.seen:
        _draw_block(axes, block, 0.42, 0.58, 5, inch_s)
    for block in timeline.heard:
        _draw_block(axes, block, 0.0, 0.38, 3, inch_s)
    axes.set_xlim(0, timeline.duration_s)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.19, 0.71], ["said", "seen"], fontsize=8)
    axes.set_title(f"{timeline.number}. {timeline.title}", loc="left", fontsize=9)
    axes.tick_params(axis="x", labelsize=7)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_block(axes: Axes, block: Block, bottom: float, height: float, lines: int, inch_s: float) -> None:
    from matplotlib.patches import Rectangle

    width_s = block.end_s - block.start_s
    hatch = "////" if block.type == "gap" else None
    edge = CITED if block.proves else "#ffffff"
    box = Rectangle((block.start_s, bottom), width_s, height, facecolor=HUES[block.type], edgecolor=edge, hatch=hatch)
    box.set(linewidth=1.6, zorder=2 if block.proves else 1)
    axes.add_patch(box)
    for n, colour in enumerate(reversed(block.swatches)):
        share = height / len(block.swatches)
        axes.add_patch(Rectangle((block.start_s, bottom + n * share), 0.06 * inch_s, share, facecolor=colour, zorder=3))
    room = int((block.room_end_s - block.start_s) / inch_s * CHARS_PER_IN) - 2
    if room >= 4 and block.type != "gap":
        text = "\n".join(textwrap.wrap(block.text, room, max_lines=lines, placeholder=" ..."))
        axes.text(block.start_s + 0.1 * inch_s, bottom + height - 0.05, text, fontsize=FONT_PT, va="top")
