"""A run from the outside: `evaluate_benchmark` makes one, `EvalRun` reads one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.engines import Engine, LocalEngine
from agentcvr_graph.eval.manifest import Plan, plan_of
from agentcvr_graph.eval.methods import Recipe
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.runner import Totals, run
from agentcvr_graph.eval.summary import Line, grid_of, lines_of
from agentcvr_graph.models.strings import Hosted, Server, read_model_string
from agentcvr_graph.scripts.library import ScriptLibrary

OFFLINE_AT_ONCE = 2
"""Questions at a time where all models run on this machine; the offline senses use all cores already."""


@dataclass(frozen=True)
class EvalRun:
    """A run that is on the disk, read once."""

    folder: RunFolder
    plan: Plan

    @classmethod
    def read(cls, path: Path) -> EvalRun:
        """The run in a folder.

        Raises:
            InputError: there is none.
        """
        folder = RunFolder(path)
        return cls(folder, folder.plan())

    def rows(self) -> list[Row]:
        """The row that stands for each question and method, in the order of the plan."""
        return self._rows

    def lines(self) -> list[Line]:
        """The table: by method, tasks and then averages."""
        return self._lines

    def _repr_html_(self) -> str:
        """For notebooks: the table, in per cent with 95 % intervals."""
        from agentcvr_graph.report.notebook import table_html

        return table_html(*grid_of(self._lines))

    @cached_property
    def _rows(self) -> list[Row]:
        methods, tasks = self.plan.methods, self.plan.tasks
        return sorted(
            self.folder.latest().values(),
            key=lambda row: (methods.index(row.method), tasks.index(row.task), row.id),
        )

    @cached_property
    def _lines(self) -> list[Line]:
        return lines_of(self._rows, self.plan.averages)


async def evaluate_benchmark(
    benchmark: Benchmark,
    recipe: Recipe,
    out: Path,
    *,
    engine: str = "local",
    concurrency: int | None = None,
    retry_failed: bool = False,
    prices: tuple[float, float] = (0.0, 0.0),
    data: str = "",
    tell: Callable[[Totals], None] = lambda totals: None,
) -> EvalRun:
    """Ask all questions by all methods, score the answers, and keep everything in a folder.

    A run that was stopped, also by `kill -9`, goes on when it is called again with the same arguments.

    Args:
        out: the folder of the run.
        engine: `local`, or `ray` for a cluster.
        concurrency: questions under way at a time; None for `per_endpoint` where a model is behind an endpoint, else
            `OFFLINE_AT_ONCE`.
        retry_failed: ask again what the world failed in a way that may have passed.
        prices: of a million input and output tokens.
        tell: called after each question, with the figures so far.

    Raises:
        InputError: the folder holds another run; a method is unknown.
        SetupError: a model or a package is missing, a key is refused, or the disk is full.
        InfrastructureError: nothing is answered any more.
    """
    folder = RunFolder(out)
    plan = await asyncio.to_thread(plan_of, benchmark, recipe, data=data, prices=prices)
    at_once = concurrency if concurrency is not None else questions_at_once(recipe)
    await run(
        benchmark, plan, folder, make_engine(engine, recipe), concurrency=at_once, retry_failed=retry_failed, tell=tell
    )
    made = EvalRun.read(out)
    await asyncio.to_thread(folder.write_table, made.rows())
    return made


def make_engine(name: str, recipe: Recipe) -> Engine:
    """The engine of a name.

    Raises:
        InputError: there is no such engine.
        SetupError: Ray is not installed.
    """
    if name == "local":
        return LocalEngine(recipe)
    if name == "ray":
        from agentcvr_graph.eval.engines.ray import RayEngine

        return RayEngine(recipe)
    raise InputError(f"Unknown engine {name!r}.", fix="Choose one of: local, ray.")


def questions_at_once(recipe: Recipe) -> int:
    """As many as an endpoint takes, where there is one."""
    specs = (recipe.context.master, recipe.context.vision, recipe.context.audio)
    remote = any(isinstance(read_model_string(spec), Server | Hosted) for spec in specs)
    return recipe.per_endpoint if remote else OFFLINE_AT_ONCE


def scripted_questions(path: Path) -> Benchmark:
    """The questions of a library of scripts, to be asked in swap mode.

    Raises:
        InputError: it holds no script.
    """
    questions = tuple(script.as_question() for script in ScriptLibrary(path))
    return Benchmark(path.stem, questions)
