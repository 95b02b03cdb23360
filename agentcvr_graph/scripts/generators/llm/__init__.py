"""Scripts written by a chat model: prompts for ten task types, checked, repaired, without near-duplicates, resumable.

`agentcvr scripts make --model MODEL` runs it from the command line, `generate` from a program. A job (`jobs.py`) is
asked of the model (`prompts.py`, `writing.py`) until its draft (`draft.py`) is a sound script. The run (`run.py`)
compares it with what is there already (`duplicates.py`) and appends it to a file (`store.py`). Engines (`engines.py`)
only do jobs.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.errors import InputError
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.generators.llm.engines import ENGINES
from agentcvr_graph.scripts.generators.llm.jobs import Job, jobs_of
from agentcvr_graph.scripts.generators.llm.run import Made, Run
from agentcvr_graph.scripts.generators.llm.store import Store
from agentcvr_graph.scripts.schema import Task

__all__ = ["Job", "Made", "generate", "jobs_of", "make"]


async def generate(
    jobs: Iterable[Job],
    model: BaseChatModel | str,
    out: Path,
    *,
    engine: str = "local",
    concurrency: int = 8,
    retry_failed: bool = False,
    price_in: float = 0.0,
    price_out: float = 0.0,
    tell: Callable[[Made], None] = lambda made: None,
) -> Made:
    """Write the scripts of all jobs that are not done yet into a `.jsonl` file.

    A run that was killed goes on where it was: no script is lost and none is there twice.

    Args:
        model: a chat model, or a model string.
        engine: `local`, or `ray` for a cluster.
        concurrency: jobs under way at once, at least 1.
        retry_failed: do the jobs again that failed in earlier runs.
        tell: called after each job, with the figures so far.

    Raises:
        InputError: the engine is unknown, the file holds something else, or another run is writing it.
        SetupError: the model or a package is missing, or its key is refused.
        InfrastructureError: the model answers no more. What was written before is kept.
    """
    if engine not in ENGINES:
        raise InputError(f"Unknown engine {engine!r}.", fix=f"Choose one of: {', '.join(ENGINES)}.")
    if concurrency < 1:
        raise InputError(f"concurrency is {concurrency}.", fix="It must be at least 1.")
    make_model = (
        functools.partial(resolve_chat_model, model) if isinstance(model, str) else functools.partial(_same, model)
    )
    name = model if isinstance(model, str) else type(model).__name__
    duplicates, made = Duplicates(), Made(price_in=price_in, price_out=price_out)
    with Store(out, retry_failed=retry_failed, each=duplicates.add) as store:
        run = Run(jobs, store, duplicates, made)
        await run.work(ENGINES[engine](make_model, name), concurrency, tell)
    return made


def make(
    counts: Mapping[Task, int],
    *,
    out: Path,
    seed: int,
    model: str,
    engine: str = "local",
    concurrency: int = 8,
    price_in: float = 0.0,
    price_out: float = 0.0,
    retry_failed: bool = False,
) -> Made:
    """`generate` for the command line: with a progress bar and a summary on stderr."""
    err = Console(stderr=True, highlight=False)
    jobs = list(jobs_of(counts, seed))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("writing", total=len(jobs))

        def tell(made: Made) -> None:
            done = made.scripts + made.failures + made.skipped
            progress.update(
                bar, completed=done, description=f"writing ({made.usage.output_tokens} tokens, {made.cost:.2f})"
            )

        made = asyncio.run(
            generate(
                jobs,
                model,
                out,
                engine=engine,
                concurrency=concurrency,
                retry_failed=retry_failed,
                price_in=price_in,
                price_out=price_out,
                tell=tell,
            )
        )
    err.print(escape(f"{made}: {out}"))
    return made


def _same(model: BaseChatModel) -> BaseChatModel:
    return model
