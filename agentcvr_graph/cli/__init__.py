"""The command line `agentcvr`. Run `agentcvr --help` for its commands.

Exit status: 0 done, 1 could not answer, 2 the input or the set-up is wrong, 3 training stopped, 70 a bug (with a
traceback), 130 Ctrl-C, 143 SIGTERM. Errors that the user can fix are shown as one line on stderr, without a
traceback. Other packages add commands with an entry point, see `plugins.py`.

This package is internal: import `agentcvr_graph` and use its public names.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from agentcvr_graph.cli.console import out, run_app
from agentcvr_graph.cli.lazy import LazyGroup, add_lazy
from agentcvr_graph.cli.plugins import add_plugins

__all__ = ["app", "main"]

COMMANDS = {
    "ask": (
        "agentcvr_graph.cli.ask:ask_app",
        "Answer a question about one or more videos; with --swap, the question of a script, in swap mode.",
    ),
    "chat": (
        "agentcvr_graph.cli.chat:app",
        "Ask about videos in a conversation: follow-ups, /report, /cost, /quit.",
    ),
    "demo": (
        "agentcvr_graph.cli.ask:demo_app",
        "Answer a question about the bundled clips and write an HTML evidence report.",
    ),
    "doctor": ("agentcvr_graph.cli.doctor:app", "Show what works, what does not, and the command that fixes it."),
    "eval": (
        "agentcvr_graph.cli.eval:app",
        "Run methods on the questions of a benchmark, score the answers, and write a report.",
    ),
    "index": (
        "agentcvr_graph.cli.index:app",
        "Index videos beforehand, so that the tool find searches them at no cost; list and forget them.",
    ),
    "mcp": (
        "agentcvr_graph.cli.mcp:app",
        "Serve questions about videos to MCP clients.",
    ),
    "models": (
        "agentcvr_graph.cli.models:app",
        "List the models that can be used from here, and print a full command with them.",
    ),
    "setup": ("agentcvr_graph.cli.setup:app", "Download the weights of a speech recogniser."),
    "scripts": (
        "agentcvr_graph.cli.scripts:app",
        "Make, check, show and render scripts, the text stand-ins for video in swap mode.",
    ),
}
"""Of each command: the `typer.Typer` that defines it, and the first line of its help."""

app = typer.Typer(
    name="agentcvr",
    cls=LazyGroup,
    help="Answer questions whose evidence is spread over several videos, with citations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"agentcvr {version('agentcvr-graph')}")
        raise typer.Exit


@app.callback()
def start(
    wanted: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options of `agentcvr` itself."""


for name, (target, line) in COMMANDS.items():
    add_lazy(app, name, target, line)
add_plugins(app)


def main() -> None:
    """Run the command line of this process."""
    run_app(app)
