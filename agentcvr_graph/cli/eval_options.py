"""The options of `agentcvr eval`, in the order of its help.

The help texts list the registered benchmarks and methods. Their registries import neither LangGraph nor numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.options import BUDGETS, MODELS, RUNNING
from agentcvr_graph.eval.benchmarks import BENCHMARKS
from agentcvr_graph.eval.methods import METHODS

QUESTIONS = "Questions"
"""Heading of the help."""


@dataclass(frozen=True)
class EvalOptions:
    """The options of one call of the command."""

    benchmark: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(BENCHMARKS)}; own: a .csv, .tsv, .json, .jsonl or .parquet file.",
            rich_help_panel=QUESTIONS,
        ),
    ] = "own"
    data: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark, or file of questions.", rich_help_panel=QUESTIONS)
    ] = None
    videos: Annotated[
        Path | None,
        typer.Option(help="Root folder of the videos, if it is not inside --data.", rich_help_panel=QUESTIONS),
    ] = None
    to: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the run; an interrupted run there is resumed.", rich_help_panel=RUNNING),
    ] = None
    methods: Annotated[
        str,
        typer.Option(
            "--method",
            help=f"One or more of {', '.join(METHODS)}; separate them by commas.",
            rich_help_panel=MODELS,
        ),
    ] = "agent"
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="Only this task; repeat it for more.", rich_help_panel=QUESTIONS),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="First N questions of each task.", rich_help_panel=QUESTIONS),
    ] = None
    group_by: Annotated[
        str,
        typer.Option(help="Also report by this column of your own data.", rich_help_panel=QUESTIONS),
    ] = ""
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Also score as the benchmark's own script does, and show both.", rich_help_panel=RUNNING
        ),
    ] = False
    master: shared.Master = "offline"
    vision: shared.Vision = "offline"
    audio: shared.Audio = "auto"
    judge: Annotated[
        str,
        typer.Option(
            help="Model string of the judge of text answers; 'offline' compares words.", rich_help_panel=MODELS
        ),
    ] = ""
    scripts: Annotated[
        Path | None,
        typer.Option(help="File or folder of scripts for swap mode; replaces --data.", rich_help_panel=QUESTIONS),
    ] = None
    noise: shared.Noise = "off"
    frames: Annotated[
        int, typer.Option(min=1, help="Frames of single-pass methods, in total.", rich_help_panel=BUDGETS)
    ] = 128
    long_side_px: Annotated[
        int, typer.Option(min=32, help="Long side of a frame in pixels.", rich_help_panel=BUDGETS)
    ] = 360
    max_turns: shared.MaxTurns = None
    max_frames: shared.MaxFrames = shared.DEFAULTS.max_frames
    dialect: shared.Dialect = "auto"
    features: shared.Features = ""
    abstain: shared.Abstain = "never"
    verify: shared.Verify = ""
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Questions in flight; default 2 offline, 32 with endpoints.", rich_help_panel=RUNNING),
    ] = None
    per_endpoint: Annotated[
        int, typer.Option(min=1, help="Calls in flight to one endpoint.", rich_help_panel=RUNNING)
    ] = 32
    timeout_s: Annotated[
        float, typer.Option(min=1, help="Seconds that one model call may take.", rich_help_panel=RUNNING)
    ] = 120.0
    engine: shared.Engine = "local"
    skip_unusable: Annotated[
        bool,
        typer.Option(
            "--skip-unusable", help="Skip questions that are broken or lack files.", rich_help_panel=QUESTIONS
        ),
    ] = False
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Retry questions that failed by infrastructure errors or bugs.",
            rich_help_panel=RUNNING,
        ),
    ] = False
    price_in: shared.PriceIn = 0.0
    price_out: shared.PriceOut = 0.0
    pictures: Annotated[
        bool | None,
        typer.Option(
            help="Show frames in the reports of questions; default: up to 300 answers.", rich_help_panel=RUNNING
        ),
    ] = None
    compare: Annotated[
        tuple[str, str] | None, typer.Option(help="Compare two runs (RUN or RUN:METHOD) and run nothing.")
    ] = None
