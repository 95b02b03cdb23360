"""`agentcvr mcp`: serve questions about videos to MCP clients, such as desktop and coding agents.

This module declares the command; the SDK and the graph are imported when it runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.models.strings import ModelStrings

EXAMPLES = """
[bold]Examples[/bold]

agentcvr mcp --root ~/Videos

agentcvr mcp --http --port 8000 --root /srv/videos --remote none

agentcvr mcp --master openai:gpt-4.1 --vision http://localhost:8000/v1#qwen-vl
"""
app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Roots = Annotated[
    list[Path] | None,
    typer.Option("--root", exists=True, file_okay=False, help="Folder below which videos may be read; repeatable."),
]
Remote = Annotated[str, typer.Option(help="Addresses that videos are fetched from: public, none or any.")]


@app.command("mcp", epilog=EXAMPLES)
def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP at /mcp instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="With --http: address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http: port to listen on.")] = 8000,
    roots: Roots = None,
    remote: Remote = "",
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    swap: Annotated[bool, typer.Option("--swap", help="Serve the bundled scripts instead of video.")] = False,
    max_turns: shared.MaxTurns = None,
    max_frames: shared.MaxFrames = shared.DEFAULTS.max_frames,
    dialect: shared.Dialect = "auto",
    features: shared.Features = "",
    abstain: shared.Abstain = "allowed",
) -> None:
    """Serve questions about videos to MCP clients.

    Tools: ask_videos, describe_video, find_in_videos, evidence_report. Videos are read below the folders of --root,
    of AGENTCVR_MEDIA_ROOTS, or below the working folder. Clients cannot choose models.
    """
    from agentcvr_graph.models.clients.extras import require

    require("mcp", "mcp", "mcp")
    from agentcvr_graph.cli.mcp_run import serve, serve_http, service_of
    from agentcvr_graph.media.access import REMOTE_VARIABLE, ROOTS_VARIABLE
    from agentcvr_graph.tools.features import read_features

    if roots:
        os.environ[ROOTS_VARIABLE] = os.pathsep.join(str(root.expanduser().resolve()) for root in roots)
    if remote:
        os.environ[REMOTE_VARIABLE] = shared.one_of("--remote", remote, ("public", "none", "any"))
    context = shared.context_of(master, max_turns, max_frames, dialect, abstain)
    models = ModelStrings(master, vision, audio if swap else chosen_audio(audio))
    service = service_of(models, context, read_features(features, "--features"), swap=swap)
    if http:
        serve_http(service, host, port)
    else:
        serve(service)
