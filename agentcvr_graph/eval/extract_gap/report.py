"""The tables of a measurement of extraction, for the terminal."""

from __future__ import annotations

from rich.table import Table

from agentcvr_graph.eval.extract_gap import Baselines, ExtractGap
from agentcvr_graph.eval.sim_gap.report import accuracy_cells, terminal_table
from agentcvr_graph.eval.sim_gap.statistics import TaskSummary


def accuracy_table(gap: ExtractGap) -> Table:
    """Return accuracy by task on true scripts, on extracted ones, live and blind."""
    title = f"accuracy in % (95 % intervals clustered by {gap.tasks[-1].clusters} sets of videos)"
    rows = [_accuracy_row(row, other) for row, other in zip(gap.tasks, gap.baselines, strict=True)]
    head = ["task", "n", "true script", "extracted", "live", "blind", "chance", "extracted - live", "same answer"]
    return terminal_table(title, head, rows)


def _accuracy_row(row: TaskSummary, other: Baselines) -> list[str]:
    name, count, extracted, live, gap, agree = accuracy_cells(row)
    return [name, count, str(other.true), extracted, live, str(other.blind), f"{100 * other.chance:.0f}", gap, agree]


def facts_table(gap: ExtractGap) -> Table:
    """Return how much of the true script was found, and how much of what was found is true."""
    rows = [
        [
            row.kind,
            str(row.count),
            f"{100 * row.found:.0f} %",
            f"{100 * row.exact:.0f} %",
            str(row.extracted),
            f"{100 * row.true:.0f} %",
            "" if row.shift_s is None else f"{row.shift_s:.2f} s",
        ]
        for row in gap.facts
    ]
    head = ["fact", "in true scripts", "found", "exactly", "in extracted", "of them true", "median shift"]
    return terminal_table("facts of the true scripts in the extracted ones", head, rows)
