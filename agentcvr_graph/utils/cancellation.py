"""Cooperative cancellation of work in a thread.

Cancelling an asyncio task does not stop the thread it waits for: decoding and text recognition would go on for up to a
minute after a run was cancelled. `run_in_thread` passes the cancellation on to the thread, and the work calls
`raise_if_cancelled` between its steps.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

T = TypeVar("T")
_cancelled: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


async def run_in_thread(work: Callable[..., T], *arguments: object, executor: Executor | None = None) -> T:
    """Run `work` as `asyncio.to_thread` does. If the waiting task is cancelled, `is_cancelled()` is true in `work`.

    Args:
        executor: the threads; None for those of the event loop.
    """
    event = threading.Event()
    context = contextvars.copy_context()
    context.run(_cancelled.set, event)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, context.run, partial(work, *arguments))
    except asyncio.CancelledError:
        event.set()
        raise


def is_cancelled() -> bool:
    """Return whether the task that waits for this thread's work was cancelled."""
    event = _cancelled.get()
    return event is not None and event.is_set()


def raise_if_cancelled() -> None:
    """End the work of this thread if the task that waits for it was cancelled.

    Raises:
        CancelledError: the task was cancelled.
    """
    if is_cancelled():
        raise asyncio.CancelledError
