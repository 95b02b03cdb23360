"""Run jobs as tasks of this event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic

from agentcvr_graph.utils.concurrency import run_bounded
from agentcvr_graph.utils.engines.base import Job, Result, TakeJob, Worker


class LocalEngine(Generic[Job, Result]):
    """Runs jobs in this process, all with one worker."""

    def __init__(self, make_worker: Callable[[], Worker[Job, Result]]) -> None:
        self._make_worker = make_worker

    async def run(self, take: TakeJob[Job], concurrency: int) -> AsyncGenerator[Result]:
        """Yield results as they complete; see `Engine.run`."""
        worker = await asyncio.to_thread(self._make_worker)  # imports libraries, reads folders
        try:
            async with aclosing(run_bounded(take, worker.run, concurrency)) as results:
                async for result in results:
                    yield result
        finally:
            await asyncio.to_thread(worker.close)
