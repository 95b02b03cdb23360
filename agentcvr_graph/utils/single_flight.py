"""Do identical work once: callers that ask for a key while it is worked on wait for the same result.

Within an event loop the work is a task that all callers wait for; it is cancelled when the last of them is. Between
event loops and processes a lock file by key keeps the others waiting; they then find the result where the work stored
it. The operating system releases the lock of a process that ends or crashes. A failure reaches the callers that wait
for it in the same loop, and is not kept: the next caller works again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from filelock import FileLock

T = TypeVar("T")
POLL_S = 0.05
"""Interval at which a lock that another process holds is tried again, in seconds."""


@dataclass(eq=False)
class _Flight(Generic[T]):
    """Work in progress, and how many callers wait for it."""

    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[T]):
    """Runs the work of a key once at a time.

    Args:
        folder: where the lock files are, shared with other processes; None if the results are of this process alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._flights: dict[tuple[int, str], _Flight[T]] = {}

    async def run(self, key: str, stored: Callable[[], Awaitable[T | None]], work: Callable[[], Awaitable[T]]) -> T:
        """Return what is stored for a key; if nothing is, the result of the work, which stores it.

        Args:
            stored: returns the stored result, or None.
            work: does the work in the context of the first caller, and stores the result.

        Raises:
            Exception: as the work.
        """
        found = await stored()
        return found if found is not None else await self._joined(key, stored, work)

    async def _joined(self, key: str, stored: Callable[[], Awaitable[T | None]], work: Callable[[], Awaitable[T]]) -> T:
        place = (id(asyncio.get_running_loop()), key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight(asyncio.create_task(self._alone(key, stored, work)))
            flight.task.add_done_callback(lambda task: self._end(place, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(place, None)  # a caller that comes now starts its own
                flight.task.cancel()

    def _end(self, place: tuple[int, str], task: asyncio.Task[T]) -> None:
        flight = self._flights.get(place)
        if flight is not None and flight.task is task:
            del self._flights[place]
        if not task.cancelled():
            task.exception()  # nobody may be left to retrieve it

    async def _alone(self, key: str, stored: Callable[[], Awaitable[T | None]], work: Callable[[], Awaitable[T]]) -> T:
        async with self._locked(key):
            found = await stored()  # another process may have stored it since
            return found if found is not None else await work()

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncGenerator[None]:
        """Hold the lock file of a key. A folder that refuses files only costs repeated work."""
        if self._folder is None:
            yield
            return
        from filelock import FileLock  # not needed, and slow to import, for work of this process alone

        lock = FileLock(self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.lock", thread_local=False)
        try:
            await _acquire(lock)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            await asyncio.to_thread(_release, lock)


async def _acquire(lock: FileLock) -> None:
    """Wait for a lock without holding a thread meanwhile."""
    while True:
        attempt = asyncio.ensure_future(asyncio.to_thread(_try, lock))
        try:
            if await asyncio.shield(attempt):
                return
        except asyncio.CancelledError:
            attempt.add_done_callback(lambda _: lock.release())
            raise
        await asyncio.sleep(POLL_S)


def _try(lock: FileLock) -> bool:
    from filelock import Timeout

    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _release(lock: FileLock) -> None:
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)  # before the release: others then wait for a new file
    lock.release()
