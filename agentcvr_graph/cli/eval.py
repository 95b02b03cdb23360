"""`agentcvr eval`: run methods on a benchmark or on your own questions, score them, report and compare."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.table import Table

from agentcvr_graph.cli import eval_options as options
from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import err, escape, out, print_notes
from agentcvr_graph.errors import InputError
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.utils.progress import ProgressBar

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

agentcvr eval --compare runs/a runs/b        compare two runs, or methods of runs: runs/a:agent
"""


def evaluate(
    benchmark: options.Benchmark = "own",
    data: options.Data = None,
    videos: options.Videos = None,
    to: options.Out = None,
    methods: options.Methods = "agent",
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    group_by: options.GroupBy = "",
    strict: options.Strict = False,
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "offline",
    judge: options.Judge = "",
    scripts: options.Scripts = None,
    noise: shared.Noise = "off",
    frames: options.Frames = 128,
    long_side_px: options.LongSidePx = 360,
    max_turns: shared.MaxTurns = shared.DEFAULTS.max_turns,
    max_frames: shared.MaxFrames = shared.DEFAULTS.max_frames,
    dialect: shared.Dialect = "auto",
    concurrency: options.Concurrency = None,
    per_endpoint: options.PerEndpoint = 32,
    timeout_s: options.TimeoutS = 120.0,
    engine: shared.Engine = "local",
    skip_unusable: options.SkipUnusable = False,
    retry_failed: options.RetryFailed = False,
    price_in: shared.PriceIn = 0.0,
    price_out: shared.PriceOut = 0.0,
    pictures: options.Pictures = None,
    compare: options.Compare = None,
) -> None:
    """Run methods on the questions of a benchmark, score the answers, and write a report."""
    if compare is not None:
        _compare(*compare)
        return
    if to is None or (data is None and scripts is None):
        raise InputError(
            "The questions or the run folder are missing.", fix="Write: agentcvr eval --data FILE --out FOLDER"
        )
    from agentcvr_graph.eval import EvalConfig
    from agentcvr_graph.eval.strict import rule_name

    config = EvalConfig(
        methods=tuple(name.strip() for name in methods.split(",") if name.strip()),
        models=ModelStrings(master, vision, audio),
        context=shared.context_of(max_turns, max_frames, dialect),
        noise=noise,
        frames=frames,
        long_side_px=long_side_px,
        judge=judge,
        strict=rule_name("own" if data is None else benchmark) if strict else "",
        scripts=str(scripts or ""),
        per_endpoint=per_endpoint,
        timeout_s=timeout_s,
    )
    loaded = _questions(benchmark, data, videos, scripts, skip_unusable=skip_unusable).select(tasks or (), limit)
    loaded = loaded.grouped_by(group_by) if group_by else loaded
    _run(
        loaded,
        config,
        to,
        engine=shared.checked_engine(engine),
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
    print_notes(loaded.notes)
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
    """Run the benchmark with a progress bar, print the table, write the report."""
    from agentcvr_graph.eval import evaluate_benchmark
    from agentcvr_graph.eval.report import write_run_report

    with ProgressBar("asking", console=err) as bar:

        def show(totals: Totals) -> None:
            text = _describe(totals, config.methods, prices)
            bar.update(completed=totals.done, total=totals.planned, description=text)

        run = asyncio.run(evaluate_benchmark(benchmark, config, to, prices=prices, on_progress=show, **options))
    out.print(table_of(run.summary()))
    with err.status("writing the report"):
        report = write_run_report(run, pictures=pictures)
    err.print(f"report: {escape(str(report))}")


def table_of(lines: Sequence[SummaryLine]) -> Table:
    """Return accuracy by task and method as a table for the terminal."""
    from agentcvr_graph.eval.summary import FAILURE_LABELS, accuracy_table

    averages = {line.name for line in lines if line.average_of}
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, with 95 % intervals", title_justify="left")
    head, rows = accuracy_table(lines)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in averages else "dim" if row[0] in FAILURE_LABELS else "")
    return table


def _describe(totals: Totals, methods: Sequence[str], prices: tuple[float, float]) -> str:
    """Return running accuracy, failures, tokens and cost as the text of the progress bar."""
    parts = [f"{method} {100 * totals.accuracy(method):.0f} %" for method in methods]
    failed = sum(totals.failures.values())
    parts += [f"{failed} without an answer"] if failed else []
    parts.append(f"{(totals.input_tokens + totals.output_tokens) / 1000:,.0f} k tokens")
    if any(prices):
        spent = totals.input_tokens * prices[0] + totals.output_tokens * prices[1]
        parts.append(f"cost {spent / 1e6:.2f}")
    return ", ".join(parts)


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
        err.print(f"[dim]{found.unmatched} questions are in one run only and are left out[/dim]")
