"""`agentcvr chat`: a conversation about videos in the terminal, or over a pipe.

This module declares the command; `chat_run.py` carries it out and is imported when it runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.first_run import load_models
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.models.strings import ModelStrings

EXAMPLES = """
[bold]Examples[/bold]

agentcvr chat a.mp4 b.mp4

agentcvr chat clips/ --features find --master openai:gpt-4.1

echo "Who adds salt first in a.mp4 and b.mp4?" | agentcvr chat
"""

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command("chat", epilog=EXAMPLES)
def chat(
    videos: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, patterns or http(s) URLs; a message may name more of them."),
    ] = None,
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "auto",
    swap: Annotated[
        bool, typer.Option("--swap", help="Use swap mode: videos of bundled scripts, such as script://cc-000002/1.")
    ] = False,
    noise: shared.Noise = "off",
    max_turns: shared.MaxTurns = None,
    max_frames: shared.MaxFrames = shared.DEFAULTS.max_frames,
    dialect: shared.Dialect = "auto",
    features: shared.Features = "",
    abstain: shared.Abstain = "allowed",
    verify: shared.Verify = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print what the master writes and reads.")] = False,
) -> None:
    """Ask about videos in a conversation: follow-ups, /report, /cost, /quit.

    Each line is a message. It may name videos, and options as 'A) red B) blue'. Replies go to stdout, progress to
    stderr. The exit status is that of the last question.
    """
    models = ModelStrings(master, vision, audio)
    if not swap:
        models = replace(models, audio=chosen_audio(audio))
        load_models(models)
    from agentcvr_graph.cli.ask_run import RunSettings
    from agentcvr_graph.cli.chat_run import run_chat

    context = shared.context_of(master, max_turns, max_frames, dialect, abstain)
    settings = RunSettings(context, shared.with_judge(features, verify), verbose)
    run_chat(videos or [], models, settings, noise=noise if swap else None)
