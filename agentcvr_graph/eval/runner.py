"""A run: the questions that are left go to an engine, and what comes back is on the disk before the next is begun."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from agentcvr_graph.errors import InfrastructureError, InputError
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.manifest import RunManifest
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import Place, RunFolder
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.eval.worker import EvalResult
from agentcvr_graph.utils.engines import Engine

MAX_FAILURES_IN_A_ROW = 50
"""Questions in a row that the world failed in a way that may pass, beyond those under way: then a run stops."""


@dataclass
class Totals:
    """The figures of a run as it goes on."""

    planned: int = 0
    done: int = 0
    """Earlier attempts at this run included."""
    scores: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    """By method: points won, and points there were."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """Outcomes without an answer."""
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, row: Row) -> None:
        """Count a row."""
        self.done += 1
        won = self.scores[row.method]
        won[0] += row.weight * row.score
        won[1] += row.weight
        if row.value is None:
            self.failures[row.outcome] += 1
        self.input_tokens += row.usage.input_tokens
        self.output_tokens += row.usage.output_tokens

    def accuracy(self, method: str) -> float:
        """So far, over all tasks together."""
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
    """Ask all that has not been asked yet.

    Args:
        concurrency: questions under way at a time, at least 1.
        retry_failed: ask again what the world failed in a way that may have passed.
        on_progress: called after each question.

    Raises:
        InputError: the folder holds another run.
        SetupError: no question can be answered, or the disk is full. What was written is kept.
        InfrastructureError: nothing is answered any more. What was written is kept.
    """
    if concurrency < 1:
        raise InputError(f"concurrency is {concurrency}.", fix="It must be at least 1.")
    with folder.opened(manifest) as earlier:
        asks = list(_left(benchmark, manifest, earlier, retry_failed=retry_failed))
        totals = Totals(planned=len(benchmark.questions) * len(manifest.methods))
        again = {(ask.method, ask.question.id) for ask in asks}
        for place, row in earlier.items():
            if place not in again:
                totals.add(row)
        on_progress(totals)
        failed_in_a_row = 0
        left = iter(asks)
        async with aclosing(engine.run(lambda: next(left, None), concurrency)) as answers:
            async for asked in answers:
                await asyncio.to_thread(folder.add, asked.row, asked.trajectory)
                totals.add(asked.row)
                on_progress(totals)
                failed_in_a_row = failed_in_a_row + 1 if asked.row.retryable else 0
                if failed_in_a_row >= MAX_FAILURES_IN_A_ROW + concurrency:
                    raise InfrastructureError(
                        f"The last {failed_in_a_row} questions all failed: {asked.row.detail}",
                        fix="Mend it, and run again with --retry-failed.",
                    )
    return totals


def _left(
    benchmark: Benchmark, manifest: RunManifest, earlier: Mapping[Place, Row], *, retry_failed: bool
) -> Iterator[EvalTask]:
    """What is to be asked: all methods of a question one after the other, so that they share what is decoded."""
    for question in benchmark.questions:
        for method in manifest.methods:
            row = earlier.get((method, question.id))
            if row is None:
                yield EvalTask(question, method)
            elif retry_failed and row.retryable:
                yield EvalTask(question, method, row.attempt + 1)
