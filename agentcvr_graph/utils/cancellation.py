"""Work in a thread that ends early once nobody waits for it any more.

Cancelling a task leaves the thread that it waits for at its work: a look whose run was cancelled would go on decoding
and reading signs for a minute. `in_thread` tells the thread of it, and the work asks between its steps.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
_unwanted: ContextVar[threading.Event | None] = ContextVar("unwanted", default=None)


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """As `asyncio.to_thread`; once the task that waits is cancelled, `unwanted()` is true in the thread."""
    event = threading.Event()
    token = _unwanted.set(event)  # the thread gets a copy of the context
    try:
        return await asyncio.to_thread(work, *arguments)
    except asyncio.CancelledError:
        event.set()
        raise
    finally:
        _unwanted.reset(token)


def unwanted() -> bool:
    """Whether nobody waits for the work of this thread any more."""
    event = _unwanted.get()
    return event is not None and event.is_set()


def stop_if_unwanted() -> None:
    """End the work of this thread, where nobody waits for it any more."""
    if unwanted():
        raise asyncio.CancelledError
