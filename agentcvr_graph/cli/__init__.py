"""The command line `agentcvr`. Run `agentcvr --help` for its commands.

Exit status: 0 done, 1 could not answer, 2 the input or the set-up is wrong, 3 training stopped, 70 a bug (with a
traceback), 130 Ctrl-C, 143 SIGTERM. Errors that the user can fix are shown as one line on stderr, without a
traceback. Other packages add commands with an entry point, see `plugins.py`.

This package is internal: import `agentcvr_graph` and use its public names.
"""

from __future__ import annotations

import typer

from agentcvr_graph.cli import scripts
from agentcvr_graph.cli.ask import ASK_EXAMPLES, DEMO_EXAMPLES, ask, demo
from agentcvr_graph.cli.console import run_app
from agentcvr_graph.cli.doctor import DOCTOR_EXAMPLES, doctor
from agentcvr_graph.cli.eval import EXAMPLES, evaluate
from agentcvr_graph.cli.eval_options import EvalOptions
from agentcvr_graph.cli.options import with_options
from agentcvr_graph.cli.plugins import add_plugins

__all__ = ["app", "main"]

app = typer.Typer(
    name="agentcvr",
    help="Answer questions whose evidence is spread over several videos, with citations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("ask", epilog=ASK_EXAMPLES)(ask)
app.command("demo", epilog=DEMO_EXAMPLES)(demo)
app.command("doctor", epilog=DOCTOR_EXAMPLES)(doctor)
app.command("eval", epilog=EXAMPLES)(with_options(evaluate, EvalOptions))
app.add_typer(scripts.app, name="scripts")
add_plugins(app)


def main() -> None:
    """Run the command line of this process."""
    run_app(app)
