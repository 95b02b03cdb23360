"""`agentcvr doctor`: show what works, what does not, and the command that fixes it.

The report fits one screen of 80 by 24 characters. Lines wrap at the width of the terminal and are never cut off.
`--verbose` prints every check with its details.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agentcvr_graph.cli.console import ANSWERED, BAD_INPUT, err, escape, out
from agentcvr_graph.cli.options import Audio, Master, Vision

if TYPE_CHECKING:
    from agentcvr_graph.cli.doctor_checks import Check

DOCTOR_EXAMPLES = """
[bold]Examples[/bold]

agentcvr doctor

agentcvr doctor --verbose

agentcvr doctor --master openai:gpt-4.1 --vision http://localhost:8000/v1#qwen-vl
"""
app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print every check and all package versions.")]


@app.command("doctor", epilog=DOCTOR_EXAMPLES)
def doctor(
    master: Master = "offline", vision: Vision = "offline", audio: Audio = "auto", verbose: Verbose = False
) -> None:
    """Show what works, what does not, and the command that fixes it.

    Exit status 2 if something that is required does not work.
    """
    from agentcvr_graph.cli.doctor_checks import diagnose

    with err.status("checking"):
        checks = diagnose(master, vision, audio)
    out.print(details_of(checks) if verbose else summary_of(checks), soft_wrap=False)
    raise typer.Exit(BAD_INPUT if any(check.ok is False for check in checks) else ANSWERED)


def summary_of(checks: Sequence[Check]) -> RenderableType:
    """Return the report for one screen: working parts by area, then what is broken, then what is optional."""
    broken = [check for check in checks if check.ok is False]
    optional = [check for check in checks if check.ok is None and check.fix]
    works = [check for check in checks if check not in broken and check not in optional]
    parts = [Text("Works", style="bold green"), _rows(_by_area(works))]
    if broken:
        parts += [Text("Does not work", style="bold red"), _rows(_by_fix(broken, details=True))]
    if optional:
        parts += [Text("Optional, not installed", style="bold yellow"), _rows(_by_fix(optional))]
    return Group(*parts)


def details_of(checks: Sequence[Check]) -> Table:
    """Return a table with one row for each check, with all its details."""
    table = Table("", "area", "part", "found", "fix", box=None, padding=(0, 1, 0, 0))
    for check in checks:
        sign = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]-[/]"}[check.ok]
        table.add_row(sign, *(escape(text) for text in (check.area, check.name, check.detail, check.fix)))
    return table


def _by_area(checks: Sequence[Check]) -> Iterator[tuple[str, str]]:
    """Yield each area with the names of its parts, or with the details of its only part."""
    for area in dict.fromkeys(check.area for check in checks):
        members = [check for check in checks if check.area == area]
        alone = len(members) == 1 and members[0].name == area
        yield area, members[0].detail if alone else ", ".join(check.name for check in members)


def _by_fix(checks: Sequence[Check], *, details: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the names of the checks that one command fixes, with that command."""
    for fix in dict.fromkeys(check.fix for check in checks):
        members = [check for check in checks if check.fix == fix]
        found = "; ".join(dict.fromkeys(check.detail for check in members))
        yield ", ".join(check.name for check in members), f"{found}\n{fix}" if details else fix


def _rows(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=14, max_width=30, overflow="fold")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(f"  {escape(name)}", escape(text))
    return table
