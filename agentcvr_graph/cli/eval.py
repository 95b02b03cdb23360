"""`agentcvr eval`: a benchmark, or one's own questions, asked by several methods; figures, report, comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from agentcvr_graph.cli import eval_options as options
from agentcvr_graph.cli.console import err, escape, one_of, out
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.strings import ModelStrings

if TYPE_CHECKING:
    from agentcvr_graph.eval import Benchmark, EvalConfig, Totals
    from agentcvr_graph.eval.summary import SummaryLine

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


def evaluate(
    benchmark: options.Benchmark = "own",
    data: options.Data = None,
    videos: options.Videos = None,
    to: options.Out = None,
    methods: options.Methods = "agent",
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    master: options.Master = "offline",
    vision: options.Vision = "offline",
    audio: options.Audio = "offline",
    judge: options.Judge = "",
    scripts: options.Scripts = None,
    noise: options.Noise = "off",
    frames: options.Frames = 128,
    long_side_px: options.LongSidePx = 360,
    max_turns: options.MaxTurns = DEFAULTS.max_turns,
    max_frames: options.MaxFrames = DEFAULTS.max_frames,
    dialect: options.Dialect = "auto",
    concurrency: options.Concurrency = None,
    per_endpoint: options.PerEndpoint = 32,
    timeout_s: options.TimeoutS = 120.0,
    engine: options.Engine = "local",
    skip_unusable: options.SkipUnusable = False,
    retry_failed: options.RetryFailed = False,
    price_in: options.PriceIn = 0.0,
    price_out: options.PriceOut = 0.0,
    pictures: options.Pictures = None,
    compare: options.Compare = None,
) -> None:
    """Ask a benchmark's questions, score the answers, and write a report."""
    if compare is not None:
        _compare(*compare)
        return
    if to is None or (data is None and scripts is None):
        raise InputError("A run needs questions and a folder.", fix="Write: agentcvr eval --data FILE --out FOLDER")
    from agentcvr_graph.eval import EvalConfig

    context = CVRContext(
        max_turns=max_turns,
        max_frames=max_frames,
        dialect=cast(Any, one_of("--dialect", dialect, ("auto", "tools", "json"))),
    )
    config = EvalConfig(
        methods=tuple(name.strip() for name in methods.split(",") if name.strip()),
        models=ModelStrings(master, vision, audio),
        context=context,
        noise=noise,
        frames=frames,
        long_side_px=long_side_px,
        judge=judge,
        scripts=str(scripts or ""),
        per_endpoint=per_endpoint,
        timeout_s=timeout_s,
    )
    loaded = _questions(benchmark, data, videos, scripts, skip_unusable=skip_unusable).select(tasks or (), limit)
    _run(
        loaded,
        config,
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
    from agentcvr_graph.eval.benchmarks import describe_unusable

    if data is None:
        return scripted_questions(cast(Path, scripts))
    loaded = load_benchmark(benchmark, data, videos, skip_unusable=skip_unusable)
    if loaded.unusable:
        err.print(f"[yellow]note:[/] {escape(describe_unusable(loaded.name, loaded.unusable, loaded.size))}")
    return loaded


def _run(
    benchmark: Benchmark,
    config: EvalConfig,
    to: Path,
    *,
    prices: tuple[float, float],
    pictures: bool | None,
    **options: Any,
) -> None:
    """Ask with a progress bar, print the table, write the report."""
    from agentcvr_graph.eval import evaluate_benchmark
    from agentcvr_graph.eval.report import write_run_report

    with _Bar(config.methods, prices) as on_progress:
        run = asyncio.run(evaluate_benchmark(benchmark, config, to, prices=prices, on_progress=on_progress, **options))
    out.print(table_of(run.summary()))
    with err.status("writing the report"):
        report = write_run_report(run, pictures=pictures)
    err.print(f"report: {escape(str(report))}")


def table_of(lines: Sequence[SummaryLine]) -> Table:
    """Accuracy by task and method, for a terminal."""
    from agentcvr_graph.eval.summary import FAILURE_LABELS, accuracy_table

    averages = {line.name for line in lines if line.average_of}
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, with 95 % intervals", title_justify="left")
    head, rows = accuracy_table(lines)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in averages else "dim" if row[0] in FAILURE_LABELS else "")
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
    from agentcvr_graph.eval.compare import compare, comparison_table

    found = compare(one, other)
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, question by question", title_justify="left")
    head, rows = comparison_table(found)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    if found.unmatched:
        err.print(f"[dim]{found.unmatched} questions were asked on one side only and are left out[/dim]")
