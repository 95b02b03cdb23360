"""`agentcvr models`: list the models that can be used from here, and print a full command with them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentcvr_graph.cli.console import err, escape, out
from agentcvr_graph.models.strings import ModelStrings

if TYPE_CHECKING:
    from agentcvr_graph.models.reachable import Reachable

EXAMPLES = """
[bold]Examples[/bold]

agentcvr models

agentcvr models --server http://gpu-host:8000/v1 --folder ~/models
"""
app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command("models", epilog=EXAMPLES)
def models(
    server: Annotated[
        list[str] | None, typer.Option(help="Address of an OpenAI-compatible server, up to '/v1'; repeatable.")
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="Folder that holds model folders; repeatable. Default: this one.")
    ] = None,
) -> None:
    """List the models that can be used from here, and print a full command with them.

    It asks servers on their usual ports: Ollama, vLLM, SGLang, LM Studio, llama.cpp.

    It looks for API keys, model folders and the Hub cache. No model is called.

    Forms of a model string:

    'offline': the models that come with this package.

    'openai:NAME', 'anthropic:NAME', ...: providers of LangChain's init_chat_model.

    'http://HOST:PORT/v1#NAME': an OpenAI-compatible server.

    'ollama:NAME': a model that Ollama serves.

    'transformers:FOLDER_OR_REPO': a model in this process.

    'whisper:SIZE_OR_FOLDER': a recogniser of speech in this process.

    'auto': as audio model, Whisper if its weights are here, else offline.

    'tiny': a small trained master, for three kinds of questions about guided tours only.
    """
    from agentcvr_graph.models.reachable import SERVERS, proposed, reachable_models

    urls = [url.rstrip("/") for url in server or []]
    with err.status("asking servers"):
        found = reachable_models(urls, folder or [Path()])
    for url in urls:
        if not any(model.spec.startswith(f"{url}#") for model in found):
            err.print(f"[yellow]note:[/] {escape(url)} does not answer with a list of models.")
    if found:
        _show(found)
    else:
        looked = ", ".join([*SERVERS, "Ollama", "API keys", "model folders", "the Hub cache"])
        err.print(f"No model was found (looked at {looked}). The command below uses the offline models.")
    out.print(escape(command_with(proposed(found))))


def command_with(models: ModelStrings) -> str:
    """Return a full command that uses these models."""
    chosen = (("--master", models.master), ("--vision", models.vision), ("--audio", models.audio))
    flags = [part for flag, spec in chosen if spec not in ("offline", "auto") for part in (flag, shlex.quote(spec))]
    return " ".join(["agentcvr ask a.mp4 b.mp4 -q 'Who arrives first?'", *flags])


def _show(found: list[Reachable]) -> None:
    """Print a line for each model; columns are as wide as their widest entry, so that a model string can be copied."""
    rows = [("model string", "found as", "roles", "install first")]
    for model in found:
        roles = ", ".join(role for role in ("master", "vision", "audio") if role in model.roles) or "-"
        rows.append((model.spec, model.where, roles, model.needs))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        out.print(escape("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))
