"""Held-out scripts as real video: filmed, and seen and heard by the real offline agents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentcvr_training.config.settings import Settings
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import render_script, rendered_question
from training.recipes.tiny.evaluation import ScoredQuestion, ask_policy

LIVE_AT_ONCE = 2
"""Live questions at a time; the senses use all cores already."""


def ask_live(
    folder: Path, settings: Settings, scripts: Sequence[Script], twins: Path, console: Console
) -> list[ScoredQuestion]:
    """Film scripts, and ask the policy about the files."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("filming", total=len(scripts))
        questions = [
            rendered_question(script, render_script(script, twins)) for script in progress.track(scripts, task_id=bar)
        ]
        bar = progress.add_task("asking live", total=len(scripts))
        return ask_policy(
            folder,
            settings,
            scripts,
            resolve_perception(),
            questions,
            live_graphs=LIVE_AT_ONCE,
            done=lambda: progress.advance(bar),
        )
