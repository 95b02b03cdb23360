"""What a benchmark gives back: rows of a table, each a figure beside the target it is held to."""

from __future__ import annotations

from dataclasses import dataclass


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
