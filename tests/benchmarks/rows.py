"""What a benchmark gives back: rows of a table, each a figure beside the target it is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured figure. Ratios are taken within one run, so that the machine's speed drops out."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    """None where there is no target."""


def ratio(what: str, value: float, target: float) -> Row:
    """A ratio that should reach its target."""
    return Row(what, f"{value:.2f}", f">= {target:g}", value >= target)


def show(rows: Sequence[Row]) -> None:
    """The table on the terminal."""
    table = Table("what", "figure", "target", "met", box=None)
    for row in rows:
        table.add_row(row.what, row.figure, row.target, _sign(row))
    Console(width=150).print(table)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for a page."""
    lines = [f"| {row.what.strip()} | {row.figure} | {row.target} | {_sign(row)} |" for row in rows]
    return "\n".join(["| what | figure | target | met |", "|---|---|---|---|", *lines]) + "\n"


def _sign(row: Row) -> str:
    return {True: "yes", False: "no", None: ""}[row.met]
