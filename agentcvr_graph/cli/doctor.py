"""`agentcvr doctor`: what is installed and reachable."""

from __future__ import annotations

import typer
from rich.table import Table

from agentcvr_graph.cli.ask import Audio, Master, Vision
from agentcvr_graph.cli.console import ANSWERED, BAD_INPUT, err, escape, out


def doctor(master: Master = "offline", vision: Vision = "offline", audio: Audio = "offline") -> None:
    """Say what is installed, which models are reachable, and the command that mends what is not.

    Model strings: 'offline'; 'openai:NAME', 'anthropic:NAME' and whatever else LangChain's init_chat_model takes;
    'http://HOST:PORT/v1#NAME' for an OpenAI-compatible server; 'transformers:FOLDER_OR_REPO' in this process.
    """
    from agentcvr_graph.cli.doctor_checks import diagnose

    with err.status("looking around"):
        checks = diagnose(master, vision, audio)
    table = Table("", "what", "found", "to mend it", box=None, padding=(0, 2, 0, 0))
    for check in checks:
        sign = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]-[/]"}[check.ok]
        table.add_row(sign, escape(check.name), escape(check.detail), escape(check.fix))
    out.print(table)
    raise typer.Exit(BAD_INPUT if any(check.ok is False for check in checks) else ANSWERED)
