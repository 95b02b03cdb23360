"""A run of the generator: sends jobs to an engine, writes the scripts that come back, redraws near-duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentcvr_graph.errors import InfrastructureError, InputError
from agentcvr_graph.render import counted
from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.generators.llm.store import Store
from agentcvr_graph.scripts.generators.llm.writing import Rejection, Usage, Written, failed_result
from agentcvr_graph.utils.engines import Engine, Worker, make_engine

REDRAWS = 3
"""Attempts at a job whose scripts are rejected."""
DUPLICATE = "near-duplicate"
UNANSWERED = 20
"""Jobs in a row without a single reply of the model after which a run stops: the others would fail too."""


@dataclass
class Totals:
    """What a run has written and spent so far."""

    scripts: int = 0
    causes: Counter[str] = field(default_factory=Counter[str])
    """Failed jobs by their reason."""
    rejections: Counter[str] = field(default_factory=Counter[str])
    """Rejected attempts by their reason; their jobs were redrawn."""
    skipped: int = 0
    """Jobs that an earlier run had finished."""
    usage: Usage = field(default_factory=Usage)
    price_in: float = 0.0
    price_out: float = 0.0
    """Prices of a million tokens."""

    @property
    def failures(self) -> int:
        """Failed jobs."""
        return self.causes.total()

    @property
    def duplicates(self) -> int:
        """Near-duplicates that were rejected."""
        return self.rejections[DUPLICATE]

    @property
    def done(self) -> int:
        """Jobs that are finished, in this run or before."""
        return self.scripts + self.failures + self.skipped

    @property
    def cost(self) -> float:
        """Money spent, in the currency of the prices."""
        return (self.usage.input_tokens * self.price_in + self.usage.output_tokens * self.price_out) / 1e6

    def __str__(self) -> str:
        usage = self.usage
        money = f", cost {self.cost:.2f}" if self.price_in or self.price_out else ""
        return (
            f"{counted(self.scripts, 'script')}, {self.failures} failed, "
            f"{counted(self.duplicates, 'near-duplicate')}, {self.skipped} done "
            f"before; {counted(usage.calls, 'call')}, {usage.input_tokens} + {usage.output_tokens} tokens{money}"
        )


class GenerationRun:
    """The jobs that are left, and the totals of those that are done."""

    def __init__(self, jobs: Iterable[Job], store: Store, duplicates: Duplicates, totals: Totals) -> None:
        self._store = store
        self._duplicates = duplicates
        self._totals = totals
        self._pending: deque[Job] = deque()
        self._spent: defaultdict[str, Usage] = defaultdict(Usage)
        """The cost of the earlier attempts at a job, by its id."""
        self._unanswered = 0
        for job in {job.id: job for job in jobs}.values():  # a job that is named twice is done once
            if job.id in store.finished:
                totals.skipped += 1
            else:
                self._pending.append(replace(job, attempt=store.attempts[job.id]))

    async def work(self, engine: Engine[Job, Written], concurrency: int, on_progress: Callable[[Totals], None]) -> None:
        """Run all jobs.

        Raises:
            SetupError: no job can succeed (a refused key, a missing package).
            InfrastructureError: the model no longer answers.
        """
        on_progress(self._totals)
        async for written in engine.run(self._take, concurrency):
            self._keep(written)
            on_progress(self._totals)
            self._watch(written)

    def _take(self) -> Job | None:
        return self._pending.popleft() if self._pending else None

    def _keep(self, written: Written) -> None:
        self._totals.usage.add(written.usage)
        self._spent[written.job.id].add(written.usage)
        if written.rejection is not None:
            self._reject(written, written.rejection, f"{written.rejection} ({REDRAWS} attempts were rejected)")
        elif written.script is None:
            self._fail(written)
        elif (like := self._duplicates.like(written.script)) is not None:
            self._reject(written, Rejection(DUPLICATE, f"of {like}"), f"near-duplicate of {like}, {REDRAWS} times")
        else:
            self._duplicates.add(written.script)
            self._store.add(written.script)
            self._totals.scripts += 1

    def _reject(self, written: Written, rejection: Rejection, failure: str) -> None:
        """Record a rejected attempt, and draw its job again or give it up."""
        self._store.add_rejection(written, rejection)
        self._totals.rejections[rejection.reason] += 1
        if (written.job.attempt + 1) % REDRAWS:
            self._pending.append(written.job.redrawn())
        else:
            self._fail(replace(written, script=None, failure=failure))

    def _fail(self, written: Written) -> None:
        self._store.add_failure(replace(written, usage=self._spent.pop(written.job.id)))
        self._totals.causes[written.failure] += 1

    def _watch(self, written: Written) -> None:
        self._unanswered = 0 if written.usage.calls else self._unanswered + 1
        if self._unanswered >= UNANSWERED:
            raise InfrastructureError(
                f"The model answered none of the last {UNANSWERED} jobs: {written.failure}.",
                fix="Fix the model or its server, then run again with --retry-failed.",
            )


async def run_jobs(
    jobs: Iterable[Job],
    make_worker: Callable[[], Worker[Job, Written]],
    out: Path,
    duplicates: Duplicates,
    *,
    engine: str = "local",
    concurrency: int = 8,
    retry_failed: bool = False,
    price_in: float = 0.0,
    price_out: float = 0.0,
    on_progress: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Run all jobs that are not done yet, and append their scripts to a `.jsonl` file.

    Args:
        make_worker: make a worker where the jobs run; on a cluster it is sent to the actors.
        duplicates: an empty index, to which the scripts of the file are added.
        engine, concurrency, retry_failed, price_in, price_out, on_progress: as `generate`.

    Raises:
        InputError, SetupError, InfrastructureError: as `generate`.
    """
    if concurrency < 1:
        raise InputError(f"concurrency is {concurrency}.", fix="It must be at least 1.")
    jobs_engine = make_engine(engine, make_worker, failed_result)
    totals = Totals(price_in=price_in, price_out=price_out)
    with Store(out, retry_failed=retry_failed, each=duplicates.add) as store:
        await GenerationRun(jobs, store, duplicates, totals).work(jobs_engine, concurrency, on_progress)
    return totals
