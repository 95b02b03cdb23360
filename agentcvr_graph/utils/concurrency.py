"""Bounded concurrency: run many jobs, at most N at a time; yield results as they complete, or run in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

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


async def in_order(work: Callable[[Job], Awaitable[Result]], jobs: Sequence[Job], count: int) -> list[Result]:
    """Run jobs, at most `count` at a time, and return their results in the order of the jobs.

    Raises:
        Exception: what the first job to fail raised; the jobs in flight are cancelled.
    """
    left = iter(range(len(jobs)))

    async def numbered(number: int) -> tuple[int, Result]:
        return number, await work(jobs[number])

    async with aclosing(run_bounded(lambda: next(left, None), numbered, count)) as results:
        found = dict([result async for result in results])
    return [found[number] for number in range(len(jobs))]


class Background(Generic[Job]):
    """Runs jobs in the background of an `async with` block, whose end waits for all that were started.

    Args:
        work: run one job.
        count: the largest number of jobs in flight.
    """

    def __init__(self, work: Callable[[Job], Awaitable[object]], count: int) -> None:
        self._work, self._room = work, asyncio.Semaphore(count)
        self._running: set[asyncio.Task[None]] = set()
        self._errors: list[Exception] = []

    async def start(self, job: Job) -> None:
        """Start a job as soon as there is room for it.

        Raises:
            Exception: what an earlier job raised.
        """
        await self._room.acquire()
        self._raise_error()
        task = asyncio.create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def __aenter__(self) -> Background[Job]:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await asyncio.gather(*self._running)
        if error is None:
            self._raise_error()

    async def _run(self, job: Job) -> None:
        try:
            await self._work(job)
        except Exception as error:
            self._errors.append(error)
        finally:
            self._room.release()

    def _raise_error(self) -> None:
        if self._errors:
            raise self._errors[0]
