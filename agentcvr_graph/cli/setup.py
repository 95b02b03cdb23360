"""`agentcvr setup`: download the weights of a speech recogniser, so that `--audio auto` uses it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agentcvr_graph.cli.console import err, escape
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.providers.whisper import Whisper

SETUP_EXAMPLES = """
[bold]Examples[/bold]

agentcvr setup

agentcvr setup --audio whisper:small --yes
"""
app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command("setup", epilog=SETUP_EXAMPLES)
def setup(
    audio: Annotated[str, typer.Option(help="Recogniser to fetch: whisper:tiny, base, small, ...")] = "whisper:base",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
) -> None:
    """Download the weights of a speech recogniser.

    Nothing else downloads weights of Whisper.
    """
    from agentcvr_graph.models.adapters.whisper_weights import fetch, is_here, repository

    model = Whisper.parse(audio.strip())
    if model is None:
        raise InputError(f"--audio {audio!r} has no weights to fetch.", fix="Write whisper:SIZE, such as whisper:base.")
    if is_here(model.source):
        err.print(f"{escape(model.spec)} is on this computer already.")
        return
    source = f"https://huggingface.co/{repository(model.source)}"
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Download {model.spec} from {source}?", err=True):
        raise typer.Exit(1)
    folder = fetch(model.source)
    err.print(f"{escape(model.spec)} is in {escape(str(folder))}; --audio auto uses the sizes tiny, base and small.")
