"""The command line: `agentcvr ask | demo | doctor | scripts`.

Exit status: 0 done, 1 could not answer, 2 the input or the set-up is wrong. A person never sees a traceback of
something they can mend.
"""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from agentcvr_graph.cli import scripts
from agentcvr_graph.cli.ask import ASK_EXAMPLES, ask, demo
from agentcvr_graph.cli.console import BAD_INPUT, NO_ANSWER, err
from agentcvr_graph.cli.doctor import doctor
from agentcvr_graph.errors import CVRError, InputError, SetupError, missing_extra

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
app.add_typer(scripts.app, name="scripts")


def main() -> None:
    """Entry point: errors that a person can mend become one line and exit status 2."""
    try:
        app()
    except (InputError, SetupError) as error:
        for line in str(error).splitlines():
            err.print(f"[red]error:[/] {escape(line)}")
        sys.exit(BAD_INPUT)
    except CVRError as error:
        err.print(f"[red]could not answer:[/] {escape(str(error))}")
        sys.exit(NO_ANSWER)
    except ImportError as error:
        err.print(f"[red]error:[/] {escape(str(missing_extra(error.name or 'a library', 'live')))}")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
