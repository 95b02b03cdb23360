"""A run of the generator: sends jobs to an engine, writes the scripts that come back, redraws near-duplicates."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.scripts.generators.llm.duplicates import Duplicates
from agentcvr_graph.scripts.generators.llm.jobs import Job
from agentcvr_graph.scripts.generators.llm.store import Store
from agentcvr_graph.scripts.generators.llm.writing import Usage, Written
from agentcvr_graph.utils.engines import Engine

REDRAWS = 3
"""Attempts at a job whose scripts are near-duplicates."""
UNANSWERED = 20
"""Jobs in a row without a single reply of the model after which a run stops: the others would fail too."""


@dataclass
class Totals:
    """What a run has written and spent so far."""

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
                self._pending.append(job)

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
        job = written.job
        self._totals.usage.add(written.usage)
        self._spent[job.id].add(written.usage)
        if written.script is None:
            self._fail(written)
        elif (like := self._duplicates.like(written.script)) is None:
            self._duplicates.add(written.script)
            self._store.add(written.script)
            self._totals.scripts += 1
        else:
            self._totals.duplicates += 1
            if job.attempt + 1 < REDRAWS:
                self._pending.append(job.redrawn())
            else:
                self._fail(replace(written, script=None, failure=f"near-duplicate of {like}, {REDRAWS} times"))

    def _fail(self, written: Written) -> None:
        self._store.add_failure(replace(written, usage=self._spent.pop(written.job.id)))
        self._totals.failures += 1

    def _watch(self, written: Written) -> None:
        self._unanswered = 0 if written.usage.calls else self._unanswered + 1
        if self._unanswered >= UNANSWERED:
            raise InfrastructureError(
                f"The model answered none of the last {UNANSWERED} jobs: {written.failure}.",
                fix="Fix the model or its server, then run again with --retry-failed.",
            )
