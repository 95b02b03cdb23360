"""Evaluate on held-out scripts that are rendered as real video, with the offline vision and audio models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentcvr_training.config.settings import Settings
from rich.console import Console

from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.scripts.video import render_script, rendered_question
from agentcvr_graph.utils.progress import ProgressBar, track
from training.recipes.tiny.evaluation import ScoredQuestion, evaluate_policy

LIVE_GRAPHS = 2
"""Concurrent live questions; the offline models already use all cores."""


def evaluate_live(
    folder: Path, settings: Settings, scripts: Sequence[Script], folder_of_videos: Path, console: Console
) -> list[ScoredQuestion]:
    """Render scripts as video, run the policy on the files, and return the results."""
    rendering = track(scripts, "rendering", console=console)
    questions = [rendered_question(script, render_script(script, folder_of_videos)) for script in rendering]
    with ProgressBar("evaluating live", len(scripts), console=console) as progress:
        return evaluate_policy(
            folder,
            settings,
            scripts,
            resolve_perception(),
            questions,
            live_graphs=LIVE_GRAPHS,
            on_episode=lambda: progress.advance(),
        )
