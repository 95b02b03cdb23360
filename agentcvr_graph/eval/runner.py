"""Run the unfinished questions on an engine and store each result as it arrives, while the next questions run.

Questions that end together would hold up the next ones for as long as the disk takes to write all of their results, one
after another. At any time, at most as many results are unstored as questions may run.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field

from agentcvr_graph.errors import BugError, InfrastructureError, InputError
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.manifest import RunManifest
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import Place, RunFolder
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.eval.worker import EvalResult
from agentcvr_graph.utils.concurrency import Background
from agentcvr_graph.utils.engines import Engine

MAX_FAILURES_IN_A_ROW = 50
"""Consecutive retryable failures after which a run stops, plus one for each concurrent question."""
WRITERS = 8
"""Threads that wait for the disk. They are no threads of the event loop, in which videos are read."""


@dataclass
class Totals:
    """Running totals of a run, for progress."""

    planned: int = 0
    done: int = 0
    """Finished questions, those of earlier attempts included."""
    scores: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    """By method: points scored and maximum points."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """Outcomes of questions without an answer."""
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, row: Row) -> None:
        """Add a row to the totals."""
        self.done += 1
        won = self.scores[row.method]
        won[0] += row.weight * row.score
        won[1] += row.weight
        if row.value is None:
            self.failures[row.outcome] += 1
        self.input_tokens += row.usage.input_tokens
        self.output_tokens += row.usage.output_tokens

    def accuracy(self, method: str) -> float:
        """Return the accuracy so far, over all tasks together."""
        won, possible = self.scores[method]
        return won / possible if possible else 0.0


async def run(
    benchmark: Benchmark,
    manifest: RunManifest,
    folder: RunFolder,
    engine: Engine[EvalTask, EvalResult],
    *,
    concurrency: int,
    retry_failed: bool = False,
    on_progress: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Run every question that has no result yet.

    Args:
        concurrency: concurrent questions, at least 1.
        retry_failed: retry questions that failed because of bugs or of infrastructure errors that may be temporary.
        on_progress: called after each question.

    Raises:
        InputError: the folder holds another run.
        SetupError: no question can be answered, or the disk is full. Finished results are kept.
        InfrastructureError, BugError: too many questions in a row failed. Finished results are kept.
    """
    if concurrency < 1:
        raise InputError(f"concurrency is {concurrency}.", fix="It must be at least 1.")
    with folder.opened(manifest) as earlier, ThreadPoolExecutor(WRITERS, "agentcvr-results") as disk:
        asks = list(_left(benchmark, manifest, earlier, retry_failed=retry_failed))
        totals = Totals(planned=len(benchmark.questions) * len(manifest.methods))
        again = {(ask.method, ask.question.id) for ask in asks}
        for place, row in earlier.items():
            if place not in again:
                totals.add(row)
        on_progress(totals)
        failed_in_a_row = 0
        left = iter(asks)

        async def store(result: EvalResult) -> None:
            await asyncio.get_running_loop().run_in_executor(disk, folder.add, result.row, result.trajectory)
            totals.add(result.row)
            on_progress(totals)

        answering = aclosing(engine.run(lambda: next(left, None), concurrency))
        async with Background(store, concurrency) as storing, answering as answers:
            async for result in answers:
                await storing.start(result)
                failed_in_a_row = failed_in_a_row + 1 if result.row.retryable else 0
                if failed_in_a_row >= MAX_FAILURES_IN_A_ROW + concurrency:
                    kind = BugError if result.row.outcome == "bug" else InfrastructureError
                    raise kind(
                        f"The last {failed_in_a_row} questions all failed: {result.row.detail}",
                        fix="Fix the cause, then run again with --retry-failed.",
                    )
    return totals


def _left(
    benchmark: Benchmark, manifest: RunManifest, earlier: Mapping[Place, Row], *, retry_failed: bool
) -> Iterator[EvalTask]:
    """Yield the remaining tasks, all methods of a question in a row, so that they share decoded frames."""
    for question in benchmark.questions:
        for method in manifest.methods:
            row = earlier.get((method, question.id))
            if row is None:
                yield EvalTask(question, method)
            elif retry_failed and row.retryable:
                yield EvalTask(question, method, row.attempt + 1)
