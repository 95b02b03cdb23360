"""The command line: `agentcvr ask | demo | doctor | eval | scripts`.

Exit status: 0 done, 1 could not answer, 2 the input or the set-up is wrong. A person never sees a traceback of
something they can mend.
"""

from __future__ import annotations

import typer

from agentcvr_graph.cli import scripts
from agentcvr_graph.cli.ask import ASK_EXAMPLES, ask, demo
from agentcvr_graph.cli.console import run_app
from agentcvr_graph.cli.doctor import doctor
from agentcvr_graph.cli.eval import EXAMPLES, evaluate

__all__ = ["app", "main"]

app = typer.Typer(
    name="agentcvr",
    help="Answers questions whose evidence is spread over several videos, with citations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(epilog=ASK_EXAMPLES)(ask)
app.command()(demo)
app.command()(doctor)
app.command("eval", epilog=EXAMPLES)(evaluate)
app.add_typer(scripts.app, name="scripts")


def main() -> None:
    """Entry point."""
    run_app(app)
