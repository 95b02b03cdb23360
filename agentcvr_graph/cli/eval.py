"""`agentcvr eval`: run methods on a benchmark or on your own questions, score them, report and compare."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer
from rich.table import Table

from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import err, escape, out, print_causes, print_notes
from agentcvr_graph.cli.eval_options import EvalOptions
from agentcvr_graph.cli.options import with_options
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.errors import BugError, InputError
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.utils.progress import ProgressBar

if TYPE_CHECKING:
    from agentcvr_graph.eval import Benchmark, EvalConfig, Totals
    from agentcvr_graph.eval.rows import Row
    from agentcvr_graph.eval.summary import SummaryLine

REPORT_BUG = "Please report it with its traceback; run again with --retry-failed once it is fixed."
EXAMPLES = """
[bold]Examples[/bold]

agentcvr eval --data my_questions.csv --out runs/mine

agentcvr eval --benchmark crossvid --data CrossVid --method agent,single-pass,blind --judge openai:gpt-4.1 \
--vision http://localhost:8000/v1 --master http://localhost:8001/v1 --out runs/crossvid

agentcvr eval --benchmark cvbench --data CVBench --task "Joint-video Counting" --limit 50 --out runs/counting

agentcvr eval --benchmark crossvid --data CrossVid --engine ray --out runs/cluster

agentcvr eval --scripts scripts.jsonl --noise fitted --method agent,blind --out runs/swap

agentcvr eval --compare runs/a runs/b

agentcvr eval --compare runs/a:agent runs/b:agent
"""


def evaluate(options: EvalOptions) -> None:
    """Run methods on the questions of a benchmark, score the answers, and write a report."""
    if options.compare is not None:
        _compare(*options.compare)
        return
    if options.to is None or (options.data is None and options.scripts is None):
        raise InputError(
            "The questions or the run folder are missing.", fix="Write: agentcvr eval --data FILE --out FOLDER"
        )
    config = _config(options)
    loaded = _questions(options).select(options.tasks or (), options.limit)
    _run(loaded.grouped_by(options.group_by) if options.group_by else loaded, config, options.to, options)


app = typer.Typer(rich_markup_mode="rich", add_completion=False)
app.command("eval", epilog=EXAMPLES)(with_options(evaluate, EvalOptions))


def _config(options: EvalOptions) -> EvalConfig:
    from agentcvr_graph.eval import EvalConfig
    from agentcvr_graph.eval.strict import rule_name

    return EvalConfig(
        methods=tuple(name.strip() for name in options.methods.split(",") if name.strip()),
        models=ModelStrings(options.master, options.vision, _audio(options)),
        context=shared.context_of(
            options.master, options.max_turns, options.max_frames, options.dialect, options.abstain
        ),
        features=shared.with_judge(options.features, options.verify),
        noise=options.noise,
        frames=options.frames,
        long_side_px=options.long_side_px,
        judge=options.judge,
        strict=rule_name("own" if options.data is None else options.benchmark) if options.strict else "",
        scripts=str(options.scripts or ""),
        per_endpoint=options.per_endpoint,
        timeout_s=options.timeout_s,
    )


def _audio(options: EvalOptions) -> str:
    """Return the audio model that the run records. Scripts need none."""
    return "offline" if options.data is None else chosen_audio(options.audio)


def _questions(options: EvalOptions) -> Benchmark:
    from agentcvr_graph.eval import load_benchmark, scripted_questions
    from agentcvr_graph.eval.benchmarks import describe_unusable

    if options.data is None:
        return scripted_questions(cast(Path, options.scripts))
    loaded = load_benchmark(options.benchmark, options.data, options.videos, skip_unusable=options.skip_unusable)
    print_notes(loaded.notes)
    if loaded.unusable:
        err.print(f"[yellow]note:[/] {escape(describe_unusable(loaded.name, loaded.unusable, loaded.size))}")
    return loaded


def _run(benchmark: Benchmark, config: EvalConfig, to: Path, options: EvalOptions) -> None:
    """Run the benchmark with a progress bar, print the table, write the report.

    Raises:
        Exit: a question ended in a bug.
    """
    from agentcvr_graph.eval import evaluate_benchmark
    from agentcvr_graph.eval.report import write_run_report

    engine, prices = shared.checked_engine(options.engine), (options.price_in, options.price_out)
    with ProgressBar("asking", console=err) as bar:

        def show(totals: Totals) -> None:
            text = _describe(totals, config.methods, prices)
            bar.update(completed=totals.done, total=totals.planned, description=text)

        running = evaluate_benchmark(
            benchmark,
            config,
            to,
            engine=engine,
            concurrency=options.concurrency,
            retry_failed=options.retry_failed,
            prices=prices,
            data=str(options.data or options.scripts),
            on_progress=show,
        )
        run = asyncio.run(running)
    out.print(table_of(run.summary()))
    _print_reliability(run.rows())
    _print_failures(run.rows())
    with err.status("writing the report"):
        report = write_run_report(run, pictures=options.pictures)
    err.print(f"report: {escape(str(report))}")
    if bugs := sum(row.outcome == "bug" for row in run.rows()):
        err.print(f"[red]bug:[/] {bugs} question{'' if bugs == 1 else 's'} ended in an unexpected error. {REPORT_BUG}")
        raise typer.Exit(BugError.exit_status)


def _print_failures(rows: Sequence[Row]) -> None:
    """Print the most frequent causes of infrastructure errors, and how to ask again where that may help."""
    failed = [row for row in rows if row.outcome == "infrastructure error"]
    print_causes([row.detail for row in failed], "the report")
    if any(row.retryable for row in failed):
        err.print("--retry-failed asks these questions again.")


def _print_reliability(rows: Sequence[Row]) -> None:
    """Print how far the answers can be relied on, if there are abstentions or stated confidences."""
    from agentcvr_graph.eval.reliability import by_method, reliability_table

    found = [one for one in by_method(rows) if one.is_shown]
    if not found:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), title="reliability", title_justify="left")
    head, lines = reliability_table(found)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for line in lines:
        table.add_row(*line)
    out.print(table)


def table_of(lines: Sequence[SummaryLine]) -> Table:
    """Return accuracy by task and method as a table for the terminal."""
    from agentcvr_graph.eval.summary import FAILURES, accuracy_table

    averages = {line.name for line in lines if line.average_of}
    table = Table(box=None, padding=(0, 2, 0, 0), title="accuracy in %, with 95 % intervals", title_justify="left")
    head, rows = accuracy_table(lines)
    for n, name in enumerate(head):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in averages else "dim" if row[0] in FAILURES else "")
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
    if found.differing:
        count, first = len(found.differing), escape(found.differing[0])
        print_notes(
            [f"{count} shared ids, such as {first}, have another key on each side: these may be other questions"]
        )
