"""Entry points of evaluation: `evaluate_benchmark` runs a benchmark, `EvalRun` reads a finished run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.manifest import RunManifest, make_manifest
from agentcvr_graph.eval.methods import EvalConfig
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.runner import Totals, run
from agentcvr_graph.eval.summary import SummaryLine, accuracy_table, summarize
from agentcvr_graph.eval.worker import EvalWorker, failed_result
from agentcvr_graph.models.registry import default_concurrency
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.utils.engines import make_engine


@dataclass(frozen=True)
class EvalRun:
    """A stored run; its rows are read once."""

    folder: RunFolder
    manifest: RunManifest

    @classmethod
    def read(cls, path: Path) -> EvalRun:
        """Read the run in a folder.

        Raises:
            InputError: the folder holds no run.
        """
        folder = RunFolder(path)
        return cls(folder, folder.manifest())

    def rows(self) -> list[Row]:
        """Return the latest row of each question and method, in the order of the manifest."""
        return self._rows

    def summary(self) -> list[SummaryLine]:
        """Return the summary: for each method its tasks, then its averages."""
        return self._summary

    def _repr_html_(self) -> str:
        """Return the summary as a table for notebooks, in per cent with 95 % intervals."""
        from agentcvr_graph.report.notebook import table_html

        return table_html(*accuracy_table(self._summary))

    @cached_property
    def _rows(self) -> list[Row]:
        methods, tasks = self.manifest.methods, self.manifest.tasks
        return sorted(
            self.folder.latest().values(),
            key=lambda row: (methods.index(row.method), tasks.index(row.task), row.id),
        )

    @cached_property
    def _summary(self) -> list[SummaryLine]:
        return summarize(self._rows, self.manifest.averages)


async def evaluate_benchmark(
    benchmark: Benchmark,
    config: EvalConfig,
    out: Path,
    *,
    engine: str = "local",
    concurrency: int | None = None,
    retry_failed: bool = False,
    prices: tuple[float, float] = (0.0, 0.0),
    data: str = "",
    on_progress: Callable[[Totals], None] = lambda totals: None,
) -> EvalRun:
    """Run every method on every question, score the answers, and store everything in a folder.

    An interrupted run, also one ended by `kill -9`, continues when this is called again with the same arguments.

    Args:
        out: the folder of the run.
        engine: `local`, or `ray` for a cluster.
        concurrency: concurrent questions; None for `per_endpoint` where a model is behind an endpoint, else
            `registry.OFFLINE_CONCURRENCY`.
        retry_failed: retry questions that failed because of bugs or of infrastructure errors that may be temporary.
        prices: per million input and output tokens.
        on_progress: called after each question with the totals so far.

    Raises:
        InputError: the folder holds another run; a method is unknown.
        SetupError: a model or a package is missing, a key is refused, or the disk is full.
        InfrastructureError, BugError: too many questions in a row failed.
    """
    folder = RunFolder(out)
    manifest = await asyncio.to_thread(make_manifest, benchmark, config, data=data, prices=prices)
    specs = astuple(config.models)
    concurrent = concurrency if concurrency is not None else default_concurrency(specs, config.per_endpoint)
    await run(
        benchmark,
        manifest,
        folder,
        make_engine(engine, functools.partial(EvalWorker.of, config), failed_result),
        concurrency=concurrent,
        retry_failed=retry_failed,
        on_progress=on_progress,
    )
    made = EvalRun.read(out)
    await asyncio.to_thread(folder.write_table, made.rows())
    return made


def scripted_questions(path: Path) -> Benchmark:
    """Return the questions of a script library as a benchmark, for swap mode.

    Raises:
        InputError: the library holds no script.
    """
    questions = tuple(script.as_question() for script in ScriptLibrary(path))
    return Benchmark(path.stem, questions)
