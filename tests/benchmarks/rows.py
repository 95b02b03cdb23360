"""Rows of a benchmark's table: a figure and its target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTHS = (78, 44, 12)
"""Widths of the terminal columns what, figure and target; a longer text moves the rest to the right."""


@dataclass(frozen=True)
class Row:
    """One measured figure. Ratios are taken within one run, so that they do not depend on the machine's speed."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    """None if there is no target."""


def ratio(what: str, value: float, target: float) -> Row:
    """Return the row of a ratio that should be at least its target."""
    return Row(what, f"{value:.2f}", f">= {target:g}", value >= target)


def show(rows: Iterable[Row]) -> list[Row]:
    """Print a header, then each row as soon as it is measured; return all rows."""
    _print_cells("what", "figure", "target", "met")
    shown: list[Row] = []
    for row in rows:
        _print_cells(row.what, row.figure, row.target, _sign(row))
        shown.append(row)
    return shown


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [f"| {row.what.strip()} | {row.figure} | {row.target} | {_sign(row)} |" for row in rows]
    return "\n".join(["| what | figure | target | met |", "|---|---|---|---|", *lines]) + "\n"


def _print_cells(*cells: str) -> None:
    *first, last = cells
    padded = [cell.ljust(width) for cell, width in zip(first, WIDTHS, strict=True)]
    print(" ".join([*padded, last]).rstrip(), flush=True)


def _sign(row: Row) -> str:
    return {True: "yes", False: "no", None: ""}[row.met]
