"""The tables of a measurement of extraction, for the terminal."""

from __future__ import annotations

from rich.table import Table

from agentcvr_graph.eval.extract_gap import ExtractGap
from agentcvr_graph.eval.sim_gap.report import accuracy_cells, terminal_table


def accuracy_table(gap: ExtractGap) -> Table:
    """Return accuracy by task on extracted scripts and live, with the baselines below."""
    every = gap.tasks[-1]
    title = f"accuracy in % (95 % intervals clustered by {every.clusters} sets of videos)"
    rows = [accuracy_cells(row) for row in gap.tasks]
    rows.append(["true script", str(every.count), str(gap.true), "", "", ""])
    rows.append(["blind", str(every.count), str(gap.blind), "", "", ""])
    rows.append(["chance", str(every.count), f"{100 * gap.chance:.0f}", "", "", ""])
    return terminal_table(title, ["task", "questions", "extracted", "live", "extracted - live", "same answer"], rows)


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
