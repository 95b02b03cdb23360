"""Bounded concurrency: run many jobs, at most N at a time, and yield results as they complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


async def run_bounded(
    take: Callable[[], Job | None], work: Callable[[Job], Awaitable[Result]], count: int
) -> AsyncGenerator[Result]:
    """Yield results as they complete, with at most `count` jobs in flight.

    Jobs come from a function and not from an iterator, because a job may be put back for a retry after all others were
    taken, and an exhausted iterator stays exhausted.

    Args:
        take: return the next job, or None while there is none. It is called again after each result.
        work: run one job. An exception ends the whole run and cancels the jobs in flight.
        count: the largest number of jobs in flight.
    """
    running: set[asyncio.Future[Result]] = set()
    try:
        while True:
            while len(running) < count and (job := take()) is not None:
                running.add(asyncio.ensure_future(work(job)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
