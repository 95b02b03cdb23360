"""The options of `agentcvr eval`, each with its help, in the order of the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

QUESTIONS, MODELS, BUDGETS, RUNNING = "Questions", "Methods and models", "Budgets", "Running"
"""Headings of the help."""

Benchmark = Annotated[
    str,
    typer.Option(help="crossvid, cvbench, mvu-eval, or own (a .jsonl or .csv file).", rich_help_panel=QUESTIONS),
]
Data = Annotated[
    Path | None, typer.Option(help="Folder of the benchmark, or file of questions.", rich_help_panel=QUESTIONS)
]
Videos = Annotated[
    Path | None, typer.Option(help="Root of the videos, where it is not in that folder.", rich_help_panel=QUESTIONS)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run; a run that is there goes on.", rich_help_panel=RUNNING),
]
Methods = Annotated[
    str,
    typer.Option(
        "--method",
        help="agent, single-pass, single-pass-transcripts, blind; several with commas.",
        rich_help_panel=MODELS,
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help="Only this task; again for more.", rich_help_panel=QUESTIONS),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Of each task the first so many questions.", rich_help_panel=QUESTIONS)
]
Master = Annotated[str, typer.Option(help="Model string of the master.", rich_help_panel=MODELS)]
Vision = Annotated[str, typer.Option(help="Model string of the eyes.", rich_help_panel=MODELS)]
Audio = Annotated[str, typer.Option(help="Model string of the ears.", rich_help_panel=MODELS)]
Judge = Annotated[
    str,
    typer.Option(help="Model string of the judge of text answers; 'offline' counts words.", rich_help_panel=MODELS),
]
Scripts = Annotated[
    Path | None,
    typer.Option(help="Scripts: ask about them in swap mode; --data may then be left out.", rich_help_panel=QUESTIONS),
]
Noise = Annotated[
    str, typer.Option(help="With --scripts: off, mild, fitted, or a JSON file of rates.", rich_help_panel=QUESTIONS)
]
Frames = Annotated[int, typer.Option(min=1, help="Frames of a single pass, over all videos.", rich_help_panel=BUDGETS)]
LongSidePx = Annotated[int, typer.Option(min=32, help="Long side of frames.", rich_help_panel=BUDGETS)]
MaxTurns = Annotated[int, typer.Option(min=1, help="Turns of the agent.", rich_help_panel=BUDGETS)]
MaxFrames = Annotated[int, typer.Option(min=0, help="Frames of the agent.", rich_help_panel=BUDGETS)]
Dialect = Annotated[str, typer.Option(help="auto, tools or json: how the master acts.", rich_help_panel=MODELS)]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1, help="Questions under way at a time; default 2 offline, 32 with endpoints.", rich_help_panel=RUNNING
    ),
]
PerEndpoint = Annotated[int, typer.Option(min=1, help="Calls of one endpoint at a time.", rich_help_panel=RUNNING)]
TimeoutS = Annotated[float, typer.Option(min=1, help="Longest single call of a model.", rich_help_panel=RUNNING)]
Engine = Annotated[str, typer.Option(help="local, or ray for a cluster.", rich_help_panel=RUNNING)]
SkipUnusable = Annotated[
    bool,
    typer.Option(
        "--skip-unusable", help="Go on without questions that are broken or lack files.", rich_help_panel=QUESTIONS
    ),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again what the world failed.", rich_help_panel=RUNNING)
]
PriceIn = Annotated[float, typer.Option(min=0, help="Price of a million input tokens.", rich_help_panel=RUNNING)]
PriceOut = Annotated[float, typer.Option(min=0, help="Price of a million output tokens.", rich_help_panel=RUNNING)]
Pictures = Annotated[
    bool | None,
    typer.Option(help="Frames in the reports of single questions; default up to 300 answers.", rich_help_panel=RUNNING),
]
Compare = Annotated[tuple[str, str] | None, typer.Option(help="Compare two runs (or RUN:METHOD) and ask nothing.")]
