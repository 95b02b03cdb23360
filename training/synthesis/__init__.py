"""Scripts written by a chat model: prompts for ten task types, checked, repaired, without near-duplicates, resumable.

`agentcvr scripts make --model MODEL` runs it from the command line, `generate` from a program. A job (`jobs.py`) is
asked of the model (`prompts.py`, `writing.py`) until its draft (`draft.py`) is a sound script, checked against what is
there already (`duplicates.py`), and appended to a file (`store.py`). Engines (`engines.py`) only do jobs.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agentcvr_graph.errors import InputError
from agentcvr_graph.models.registry import resolve_master
from agentcvr_graph.scripts.schema import Task
from training.synthesis.duplicates import Duplicates
from training.synthesis.engines import ENGINES, Engine
from training.synthesis.jobs import Job, jobs_of
from training.synthesis.store import Store
from training.synthesis.writing import Usage, Written

__all__ = ["Job", "Made", "generate", "jobs_of", "make"]

REDRAWS = 3
"""Attempts at a job whose script is a near-duplicate."""


@dataclass
class Made:
    """What a run came to."""

    scripts: int = 0
    failures: int = 0
    duplicates: int = 0
    """Near-duplicates that were rejected; their jobs were redrawn."""
    skipped: int = 0
    """Jobs that an earlier run had finished."""
    usage: Usage = field(default_factory=Usage)
    price_in: float = 0.0
    price_out: float = 0.0
    """Prices of a million tokens."""

    @property
    def cost(self) -> float:
        """Money spent, in the currency of the prices."""
        return (self.usage.input_tokens * self.price_in + self.usage.output_tokens * self.price_out) / 1e6

    def __str__(self) -> str:
        usage = self.usage
        money = f", cost {self.cost:.2f}" if self.price_in or self.price_out else ""
        return (
            f"{self.scripts} scripts, {self.failures} failed, {self.duplicates} near-duplicates, {self.skipped} done "
            f"before; {usage.calls} calls, {usage.input_tokens} + {usage.output_tokens} tokens{money}"
        )


def generate(
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
        tell: called after each job, with the figures so far.

    Raises:
        InputError: the engine is unknown, or the file holds something else.
        SetupError: the model or a package is missing.
    """
    if engine not in ENGINES:
        raise InputError(f"Unknown engine {engine!r}.", fix=f"Choose one of: {', '.join(ENGINES)}.")
    store = Store(out, retry_failed=retry_failed)
    wanted = list(jobs)
    todo = deque(job for job in wanted if job.id not in store.finished)
    made = Made(skipped=len(wanted) - len(todo), price_in=price_in, price_out=price_out)
    make_model = functools.partial(resolve_master, model) if isinstance(model, str) else functools.partial(_same, model)
    name = model if isinstance(model, str) else type(model).__name__
    asyncio.run(_work(ENGINES[engine](make_model, name), todo, store, made, concurrency, tell))
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

        made = generate(
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
    err.print(escape(f"{made}: {out}"))
    return made


async def _work(
    engine: Engine, todo: deque[Job], store: Store, made: Made, concurrency: int, tell: Callable[[Made], None]
) -> None:
    duplicates = Duplicates()
    for script in store.scripts:
        duplicates.add(script)
    tell(made)
    async for written in engine.run(_drain(todo), concurrency):
        made.usage.add(written.usage)
        if written.script is None:
            store.add_failure(written)
            made.failures += 1
        elif (like := duplicates.like(written.script)) is None:
            duplicates.add(written.script)
            store.add(written.script)
            made.scripts += 1
        else:
            made.duplicates += 1
            if written.job.attempt + 1 < REDRAWS:
                todo.append(written.job.redrawn())
            else:
                store.add_failure(Written(written.job, None, f"near-duplicate of {like}, {REDRAWS} times"))
                made.failures += 1
        tell(made)


def _drain(todo: deque[Job]) -> Iterator[Job]:
    """The jobs, also those that are put back while others run."""
    return iter(lambda: todo.popleft() if todo else None, None)  # type: ignore[arg-type]


def _same(model: BaseChatModel) -> BaseChatModel:
    return model
