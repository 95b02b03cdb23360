"""The options that only `agentcvr eval` has, in the order of its help.

The help texts list the registered benchmarks and methods. Their registries import neither LangGraph nor numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentcvr_graph.cli.options import BUDGETS, MODELS, RUNNING
from agentcvr_graph.eval.benchmarks import BENCHMARKS
from agentcvr_graph.eval.methods import METHODS

QUESTIONS = "Questions"
"""Heading of the help."""

Benchmark = Annotated[
    str,
    typer.Option(
        help=f"One of {', '.join(BENCHMARKS)}; own: a .csv, .tsv, .json, .jsonl or .parquet file.",
        rich_help_panel=QUESTIONS,
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="Folder of the benchmark, or file of questions.", rich_help_panel=QUESTIONS)
]
Videos = Annotated[
    Path | None, typer.Option(help="Root folder of the videos, if it is not inside --data.", rich_help_panel=QUESTIONS)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run; an interrupted run there is resumed.", rich_help_panel=RUNNING),
]
Methods = Annotated[
    str,
    typer.Option(
        "--method",
        help=f"One or more of {', '.join(METHODS)}; separate them by commas.",
        rich_help_panel=MODELS,
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help="Only this task; repeat it for more.", rich_help_panel=QUESTIONS),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="First N questions of each task.", rich_help_panel=QUESTIONS),
]
Judge = Annotated[
    str,
    typer.Option(help="Model string of the judge of text answers; 'offline' compares words.", rich_help_panel=MODELS),
]
Scripts = Annotated[
    Path | None,
    typer.Option(help="File or folder of scripts for swap mode; replaces --data.", rich_help_panel=QUESTIONS),
]
Frames = Annotated[int, typer.Option(min=1, help="Frames of single-pass methods, in total.", rich_help_panel=BUDGETS)]
LongSidePx = Annotated[int, typer.Option(min=32, help="Long side of a frame in pixels.", rich_help_panel=BUDGETS)]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="Questions in flight; default 2 offline, 32 with endpoints.", rich_help_panel=RUNNING),
]
PerEndpoint = Annotated[int, typer.Option(min=1, help="Calls in flight to one endpoint.", rich_help_panel=RUNNING)]
TimeoutS = Annotated[float, typer.Option(min=1, help="Seconds that one model call may take.", rich_help_panel=RUNNING)]
SkipUnusable = Annotated[
    bool,
    typer.Option("--skip-unusable", help="Skip questions that are broken or lack files.", rich_help_panel=QUESTIONS),
]
GroupBy = Annotated[
    str,
    typer.Option(help="Also report by this column of your own data.", rich_help_panel=QUESTIONS),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Also score as the benchmark's own script does, and show both.", rich_help_panel=RUNNING
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Retry questions that failed by infrastructure errors.", rich_help_panel=RUNNING
    ),
]
Pictures = Annotated[
    bool | None,
    typer.Option(help="Show frames in the reports of questions; default: up to 300 answers.", rich_help_panel=RUNNING),
]
Compare = Annotated[tuple[str, str] | None, typer.Option(help="Compare two runs (RUN or RUN:METHOD) and run nothing.")]
