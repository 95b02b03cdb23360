"""`agentcvr index`: index videos beforehand for the tool `find`; list and forget them.

`agentcvr index clips/` is short for `agentcvr index add clips/`. `index_run.py` carries the commands out and is
imported when one runs.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.options import RUNNING
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.errors import InputError

EXAMPLES = """
[bold]Examples[/bold]

agentcvr index clips/

agentcvr index 'lectures/**/*.mp4' talk.mkv --vision http://localhost:8000/v1 --audio whisper:base

agentcvr index clips/ --embeddings openai:text-embedding-3-small

agentcvr index add /data/archive --engine ray --concurrency 32 --namespace archive

agentcvr index list

agentcvr index forget clips/old.mp4
"""
LIST_EXAMPLES = """
[bold]Examples[/bold]

agentcvr index list

agentcvr index list --namespace archive --json
"""
FORGET_EXAMPLES = """
[bold]Examples[/bold]

agentcvr index forget clips/old.mp4

agentcvr index forget --all --namespace archive
"""
ADD = "add"


class _AddByDefault(TyperGroup):
    """A group whose command `add` may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `add` before arguments that name no command."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [ADD, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="index",
    cls=_AddByDefault,
    help="Index videos beforehand, so that the tool find searches them at no cost; list and forget them.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
)

Places = Annotated[
    list[str] | None, typer.Argument(help="Files, folders, patterns such as 'clips/*.mp4', or http(s) URLs.")
]
Namespace = Annotated[str, typer.Option(help="The index of one user or group of runs; empty for the shared one.")]


@app.command(ADD, epilog=EXAMPLES)
def add(
    videos: Places = None,
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    embeddings: Annotated[
        str, typer.Option(help="Embeddings model whose vectors are made too; the MODEL of --features find=MODEL.")
    ] = "",
    namespace: Namespace = "",
    engine: shared.Engine = "local",
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Videos at a time; 2, or 16 with models on a server.", rich_help_panel=RUNNING),
    ] = None,
    max_mb: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Size of the index above which the least used videos go, also when a search adds one; 2048 at first.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
) -> None:
    """Index videos; those that have not changed since are left alone, and a run that was stopped goes on."""
    if not videos:
        raise InputError("Missing: the videos.", fix="Write: agentcvr index clips/")
    from agentcvr_graph.cli.index_run import Models, add_videos

    models = Models(vision, chosen_audio(audio), embeddings)
    add_videos(videos, models, namespace, shared.checked_engine(engine), concurrency, max_mb)


@app.command("list", epilog=LIST_EXAMPLES)
def list_(
    namespace: Namespace = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the indexed videos, with the number of statements about each."""
    from agentcvr_graph.cli.index_run import list_videos

    list_videos(namespace, as_json=as_json)


@app.command("forget", epilog=FORGET_EXAMPLES)
def forget(
    videos: Places = None,
    namespace: Namespace = "",
    everything: Annotated[bool, typer.Option("--all", help="Forget all videos of the namespace.")] = False,
) -> None:
    """Remove videos from the index, and their words from its file."""
    if bool(videos) == everything:
        raise InputError("Name either videos or --all.", fix="Write: agentcvr index forget clips/")
    from agentcvr_graph.cli.index_run import forget_videos

    forget_videos(videos or [], namespace, everything=everything)
