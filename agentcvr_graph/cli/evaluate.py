"""`agentcvr eval`: a benchmark, or one's own questions, asked by several methods; figures, report, comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from agentcvr_graph.cli.console import err, one_of, out
from agentcvr_graph.errors import InputError
from agentcvr_graph.state import CVRContext

if TYPE_CHECKING:
    from agentcvr_graph.eval import Benchmark, Recipe, Totals
    from agentcvr_graph.eval.figures import Line

EXAMPLES = """
[bold]Examples[/bold]

agentcvr eval --data my_questions.csv --out runs/mine

agentcvr eval --benchmark crossvid --data CrossVid --method agent,single-pass,blind --judge openai:gpt-4.1 \
--vision http://localhost:8000/v1 --master http://localhost:8001/v1 --out runs/crossvid

agentcvr eval --benchmark cvbench --data CVBench --task "Joint-video Counting" --limit 50 --out runs/counting

agentcvr eval --benchmark crossvid --data CrossVid --engine ray --out runs/cluster

agentcvr eval --scripts scripts.jsonl --noise fitted --method agent,blind --out runs/swap

agentcvr eval --compare runs/a runs/b        two runs; one of several methods as runs/a:agent
"""
DEFAULTS = CVRContext()
QUESTIONS, MODELS, BUDGETS, RUNNING = "Questions", "Methods and models", "Budgets", "Running"
"""Headings of the help."""


def evaluate(
    benchmark: Annotated[
        str,
        typer.Option(help="crossvid, cvbench, mvu-eval, or own (a .jsonl or .csv file).", rich_help_panel=QUESTIONS),
    ] = "own",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark, or file of questions.", rich_help_panel=QUESTIONS)
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Root of the videos, where it is not in that folder.", rich_help_panel=QUESTIONS)
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the run; a run that is there goes on.", rich_help_panel=RUNNING),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            "--method",
            help="agent, single-pass, single-pass-transcripts, blind; several with commas.",
            rich_help_panel=MODELS,
        ),
    ] = "agent",
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="Only this task; again for more.", rich_help_panel=QUESTIONS),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Of each task the first so many questions.", rich_help_panel=QUESTIONS)
    ] = None,
    master: Annotated[str, typer.Option(help="Model string of the master.", rich_help_panel=MODELS)] = "offline",
    vision: Annotated[str, typer.Option(help="Model string of the eyes.", rich_help_panel=MODELS)] = "offline",
    audio: Annotated[str, typer.Option(help="Model string of the ears.", rich_help_panel=MODELS)] = "offline",
    judge: Annotated[
        str,
        typer.Option(help="Model string of the judge of text answers; 'offline' counts words.", rich_help_panel=MODELS),
    ] = "",
    scripts: Annotated[
        Path | None,
        typer.Option(
            help="Scripts: ask about them in swap mode; --data may then be left out.", rich_help_panel=QUESTIONS
        ),
    ] = None,
    noise: Annotated[
        str, typer.Option(help="With --scripts: off, mild, fitted, or a JSON file of rates.", rich_help_panel=QUESTIONS)
    ] = "off",
    frames: Annotated[
        int, typer.Option(min=1, help="Frames of a single pass, over all videos.", rich_help_panel=BUDGETS)
    ] = 128,
    long_side_px: Annotated[int, typer.Option(min=32, help="Long side of frames.", rich_help_panel=BUDGETS)] = 360,
    max_turns: Annotated[
        int, typer.Option(min=1, help="Turns of the agent.", rich_help_panel=BUDGETS)
    ] = DEFAULTS.max_turns,
    max_frames: Annotated[
        int, typer.Option(min=0, help="Frames of the agent.", rich_help_panel=BUDGETS)
    ] = DEFAULTS.max_frames,
    dialect: Annotated[
        str, typer.Option(help="auto, tools or json: how the master acts.", rich_help_panel=MODELS)
    ] = "auto",
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, help="Questions under way at a time; default 2 offline, 32 with endpoints.", rich_help_panel=RUNNING
        ),
    ] = None,
    per_endpoint: Annotated[
        int, typer.Option(min=1, help="Calls of one endpoint at a time.", rich_help_panel=RUNNING)
    ] = 32,
    timeout_s: Annotated[
        float, typer.Option(min=1, help="Longest single call of a model.", rich_help_panel=RUNNING)
    ] = 120.0,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.", rich_help_panel=RUNNING)] = "local",
    skip_unusable: Annotated[
        bool,
        typer.Option(
            "--skip-unusable", help="Go on without questions that are broken or lack files.", rich_help_panel=QUESTIONS
        ),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what the world failed.", rich_help_panel=RUNNING)
    ] = False,
    price_in: Annotated[
        float, typer.Option(min=0, help="Price of a million input tokens.", rich_help_panel=RUNNING)
    ] = 0.0,
    price_out: Annotated[
        float, typer.Option(min=0, help="Price of a million output tokens.", rich_help_panel=RUNNING)
    ] = 0.0,
    pictures: Annotated[
        bool | None,
        typer.Option(
            help="Frames in the reports of single questions; default up to 300 answers.", rich_help_panel=RUNNING
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(help="Compare two runs (or RUN:METHOD) and ask nothing.")
    ] = None,
) -> None:
    """Ask a benchmark's questions, score the answers, and write a report."""
    if compare is not None:
        _compare(*compare)
        return
    if to is None or (data is None and scripts is None):
        raise InputError("A run needs questions and a folder.", fix="Write: agentcvr eval --data FILE --out FOLDER")
    from agentcvr_graph.eval import Recipe

    context = CVRContext(
        max_turns=max_turns,
        max_frames=max_frames,
        dialect=cast(Any, one_of("--dialect", dialect, ("auto", "tools", "json"))),
        master=master,
        vision=vision,
        audio=audio,
        noise=noise,
    )
    recipe = Recipe(
        methods=tuple(name.strip() for name in methods.split(",") if name.strip()),
        context=context,
        frames=frames,
        long_side_px=long_side_px,
        judge=judge,
        scripts=str(scripts or ""),
        per_endpoint=per_endpoint,
        timeout_s=timeout_s,
    )
    loaded = _questions(benchmark, data, videos, scripts, skip_unusable=skip_unusable).chosen(tasks or (), limit)
    _run(
        loaded,
        recipe,
        to,
        engine=one_of("--engine", engine, ("local", "ray")),
        concurrency=concurrency,
        retry_failed=retry_failed,
        prices=(price_in, price_out),
        data=str(data or scripts),
        pictures=pictures,
    )


def _questions(
    benchmark: str, data: Path | None, videos: Path | None, scripts: Path | None, *, skip_unusable: bool
) -> Benchmark:
    from agentcvr_graph.eval import load_benchmark, scripted_questions
    from agentcvr_graph.eval.benchmarks import absent_text

    if data is None:
        return scripted_questions(cast(Path, scripts))
    loaded = load_benchmark(benchmark, data, videos, skip_unusable=skip_unusable)
    if loaded.absent:
        err.print(f"[yellow]note:[/] {escape(absent_text(loaded.name, loaded.absent, loaded.size))}")
    return loaded


def _run(
    benchmark: Benchmark,
    recipe: Recipe,
    to: Path,
    *,
    prices: tuple[float, float],
    pictures: bool | None,
    **options: Any,
) -> None:
    """Ask with a progress bar, print the table, write the report."""
    from agentcvr_graph.eval import evaluate_benchmark
    from agentcvr_graph.eval.report import write_run_report

    with _Bar(recipe.methods, prices) as tell:
        run = asyncio.run(evaluate_benchmark(benchmark, recipe, to, prices=prices, tell=tell, **options))
    out.print(table_of(run.lines()))
    with err.status("writing the report"):
        report = write_run_report(run, pictures=pictures)
    err.print(f"report: {escape(str(report))}")


def table_of(lines: Sequence[Line]) -> Table:
    """Accuracy by task and method, for a terminal."""
    from agentcvr_graph.eval.figures import FAILURES, grid_of

    averages = {line.name for line in lines if line.average_of}
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, with 95 % intervals", title_justify="left")
    head, rows = grid_of(lines)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in averages else "dim" if row[0] in FAILURES else "")
    return table


class _Bar:
    """A progress bar with running accuracy, tokens, cost and the time that is left."""

    def __init__(self, methods: Sequence[str], prices: tuple[float, float]) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=err, transient=True)
        self._task = self._progress.add_task("asking", total=None)
        self._methods, self._prices = methods, prices

    def __enter__(self) -> Callable[[Totals], None]:
        self._progress.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _tell(self, totals: Totals) -> None:
        parts = [f"{method} {100 * totals.accuracy(method):.0f} %" for method in self._methods]
        failed = sum(totals.failures.values())
        parts += [f"{failed} without an answer"] if failed else []
        parts.append(f"{(totals.input_tokens + totals.output_tokens) / 1000:,.0f} k tokens")
        if any(self._prices):
            spent = totals.input_tokens * self._prices[0] + totals.output_tokens * self._prices[1]
            parts.append(f"cost {spent / 1e6:.2f}")
        self._progress.update(
            self._task, completed=totals.done, total=totals.planned, description=escape(", ".join(parts))
        )


def _compare(one: str, other: str) -> None:
    from agentcvr_graph.eval import compare
    from agentcvr_graph.eval.compare import SIGNIFICANT

    found = compare(one, other)
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, question by question", title_justify="left")
    table.add_column("task")
    for name in ("questions", one, other, "difference", "better", "worse", "p"):
        table.add_column(name, justify="right")
    for line in found.lines:
        gap = line.difference
        table.add_row(
            line.name,
            str(line.count),
            f"{100 * line.one:.1f}",
            f"{100 * line.other:.1f}",
            f"{100 * gap.mean:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})",
            str(line.wins),
            str(line.losses),
            f"{line.p:.3f}" + (" *" if line.p < SIGNIFICANT else ""),
        )
    out.print(table)
    if found.unmatched:
        err.print(f"[dim]{found.unmatched} questions were asked on one side only and are left out[/dim]")
