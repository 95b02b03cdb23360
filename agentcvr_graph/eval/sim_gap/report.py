"""The sim-to-real report: a table for the terminal, a page, a plot, and the results as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from agentcvr_graph.utils.figures import Axes, figure_style, new_figure
from agentcvr_graph.utils.files import atomic_write, atomic_write_text
from agentcvr_graph.utils.templates import asset, html_environment

if TYPE_CHECKING:
    from agentcvr_graph.eval.metrics import Estimate
    from agentcvr_graph.eval.sim_gap import SimGapResult
    from agentcvr_graph.eval.sim_gap.statistics import TaskSummary

SCRIPTED, LIVE = "#2f6fde", "#c4671d"


def write_sim_gap(gap: SimGapResult, folder: Path) -> None:
    """Write `gap.html`, `gap.png` and `gap.json`.

    Raises:
        SetupError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(folder / "gap.json", json.dumps(gap.as_record(), indent=1))
    plot_sim_gap(gap, folder / "gap.png")
    atomic_write_text(folder / "gap.html", render_sim_gap(gap))


def sim_gap_table(gap: SimGapResult) -> Table:
    """Return the results by task as a table for a terminal."""
    title = f"accuracy in % (95 % intervals{clustering(gap)}), scripted noise: {gap.noise.name}"
    return terminal_table(title, *sim_gap_rows(gap))


def terminal_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table for a terminal, with the row of all tasks in bold."""
    table = Table(box=None, padding=(0, 2, 0, 0), title=title)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == "all" else "")
    return table


def sim_gap_rows(gap: SimGapResult) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table: accuracy by task in per cent."""
    rows = [[*accuracy_cells(row), f"{100 * row.actions_agree:.0f} %"] for row in gap.tasks]
    return ["task", "questions", "scripted", "live", "sim-to-real gap", "same answer", "same windows"], rows


def accuracy_cells(row: TaskSummary) -> list[str]:
    """Return a task, its questions, accuracy on scripts and live, the difference, and the share of equal answers."""
    agree = f"{100 * row.answers_agree:.0f} %"
    return [row.name, str(row.count), str(row.scripted), str(row.live), points(row.gap), agree]


def points(gap: Estimate) -> str:
    """Return a difference of accuracies in points, with its interval.

    >>> from agentcvr_graph.eval.metrics import Estimate
    >>> points(Estimate(0.05, -0.02, 0.12))
    '+5 (-2 to +12)'
    """
    return f"{100 * gap.mean:+.0f} ({100 * gap.low:+.0f} to {100 * gap.high:+.0f})"


def clustering(gap: SimGapResult) -> str:
    """Return what intervals are clustered by, if questions share videos."""
    every = gap.tasks[-1]
    return "" if every.clusters == every.count else f" clustered by {every.clusters} sets of videos"


def render_sim_gap(gap: SimGapResult) -> str:
    """Return the page. All text from scripts is escaped; nothing is loaded from elsewhere."""
    rates = [(name, getattr(gap.noise, name), value) for name, value in gap.fitted.model_dump().items()]
    rates = [(name.replace("_", " "), used, fitted) for name, used, fitted in rates if name not in ("name", "seed")]
    template = html_environment("agentcvr_graph.eval.sim_gap").get_template("gap.html.j2")
    return template.render(
        gap=gap,
        points=points,
        clustering=clustering(gap),
        css=asset("agentcvr_graph.report", "report.css"),
        rates=rates,
    )


def plot_sim_gap(gap: SimGapResult, path: Path) -> None:
    """Plot accuracy by task, scripted and live, with intervals; below, the share of facts that each side reported."""
    style = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
    with figure_style(style, extra="gap"):
        figure, (above, below) = new_figure(2, 1, size_in=(10, 7.6), dpi=120, extra="gap")
        for offset, side, colour in ((-0.2, "scripted", SCRIPTED), (0.2, "live", LIVE)):
            rates: list[Estimate] = [getattr(row, side) for row in gap.tasks]
            places = [n + offset for n in range(len(rates))]
            above.bar(places, [100 * rate.mean for rate in rates], 0.38, label=side, color=colour)
            reach = [[100 * (rate.mean - rate.low), 100 * (rate.high - rate.mean)] for rate in rates]
            means = [100 * rate.mean for rate in rates]
            above.errorbar(places, means, list(zip(*reach, strict=True)), fmt="none", ecolor="#5d6878", capsize=2)
            shares = [100 * getattr(row, side) for row in gap.facts]
            below.bar([n + offset for n in range(len(shares))], shares, 0.38, color=colour)
        _label(above, "accuracy, % (95 % interval)", [f"{row.name}\n{row.count}" for row in gap.tasks])
        _label(below, "facts reported, %", [f"{row.kind}\n{row.count}" for row in gap.facts])
        above.set_title(
            f"the same questions, scripted and live; scripted noise: {gap.noise.name}", loc="left", fontsize=12
        )
        above.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png")


def _label(axes: Axes, what: str, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(what)
    axes.set_ylim(0, 105)
