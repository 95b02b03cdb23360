"""One event loop in a thread of its own, for callers without an event loop.

All such callers share it, because clients of model servers keep connections that belong to the loop that opened them:
a loop for each call would leave them with connections of a closed loop.

The work runs in a copy of the caller's context variables. A caller that stops waiting (a closed generator, Ctrl-C)
cancels the work and waits until it has cleaned up.
"""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import aclosing
from typing import Any, TypeVar, cast

from agentcvr_graph.errors import SetupError

T = TypeVar("T")
_END: Any = object()
"""Follows the last item of a stream."""


def refuse_running_loop(methods: str, instead: str) -> None:
    """Refuse to block an event loop.

    Raises:
        SetupError: this thread runs an event loop; the message names what to use instead.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SetupError(
        f"{methods} would block the event loop that this thread runs (a notebook, a server, an async function).",
        fix=f"Use {instead}.",
    )


def run_in_private_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end and return its result."""

    async def one() -> AsyncIterator[T]:
        yield await work()

    (result,) = iterate_in_private_loop(one)
    return result


def iterate_in_private_loop(work: Callable[[], AsyncIterator[T]]) -> Generator[T]:
    """Yield the items of an async generator, which runs at most one item ahead of the caller."""
    loop = _loop(os.getpid())
    items: queue.SimpleQueue[T] = queue.SimpleQueue()
    wanted = asyncio.Semaphore(0)
    tasks: list[asyncio.Task[None]] = []

    async def pump() -> None:
        async with aclosing(cast("AsyncGenerator[T]", work())) as stream:
            async for item in stream:
                items.put(item)
                await wanted.acquire()

    def start() -> None:
        task = loop.create_task(pump())
        task.add_done_callback(lambda _: items.put(_END))
        tasks.append(task)

    def stop() -> None:
        if tasks:
            tasks[0].cancel()
        else:  # Ctrl-C came before the start
            items.put(_END)

    ended = False
    try:
        loop.call_soon_threadsafe(start)
        while (item := items.get()) is not _END:
            yield item
            loop.call_soon_threadsafe(wanted.release)
        ended = True
    finally:
        if not ended:
            loop.call_soon_threadsafe(stop)
            while items.get() is not _END:
                pass
    tasks[0].result()  # raises what the work raised


@functools.lru_cache(maxsize=1)
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """Return the running loop of this process; a forked process starts its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"agentcvr-loop-{process}", daemon=True).start()
    return loop
