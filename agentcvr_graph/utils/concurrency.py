"""Many jobs, a few of them under way at a time, their results in the order in which they are done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


async def run_bounded(
    take: Callable[[], Job | None], work: Callable[[Job], Awaitable[Done]], count: int
) -> AsyncGenerator[Done]:
    """What comes of all jobs; at most `count` are under way.

    Jobs come from a function and not from an iterator: one that is to be done again appears when all others have been
    taken, and an iterator that has ended once has ended for good.

    Args:
        take: the next job, or None while there is none; there may be one again once a result was handed over.
        work: does a job. What it raises ends everything, and cancels what is under way.
    """
    running: set[asyncio.Future[Done]] = set()
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
