"""A training in two processes that never ends: `python -m tests.support.endless_training FIFO`.

Each process writes its rank to the FIFO and keeps it open, so a reader sees when both run, and when both have ended.
"""

from __future__ import annotations

import os
import signal

import typer
from agentcvr_training.config.settings import Settings

from agentcvr_graph.cli.console import run_app
from training.recipes.processes import train_in_processes


def wait(settings: Settings) -> None:
    """Report that this process runs; then wait for a signal."""
    writing = os.open(settings.output, os.O_WRONLY)
    os.write(writing, os.environ["RANK"].encode())
    while True:
        signal.pause()


def main(fifo: str) -> None:
    settings = {
        "output": fifo,
        "model": {"path": "none"},
        "scripts": {},
        "grpo": {"trainer": {"gradient_accumulation_steps": 2}},
    }
    train_in_processes(wait, Settings.model_validate(settings), 2)


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    run_app(app, "training")
