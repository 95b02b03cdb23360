"""The log and the progress events of looks and of the master's turns, one attempt at a time.

| level | line |
|---|---|
| DEBUG | an attempt starts |
| INFO | it ends or is cancelled, with its duration |
| WARNING | it failed and is repeated: which attempt, why, after how many seconds; or a look failed after all attempts |

The package logs nothing to the terminal on its own: an application that wants these lines configures `logging`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.events import failure_kind, report
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.render import one_line
from agentcvr_graph.types import Window

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One attempt at a look, or at a turn of the master."""

    runtime: Runtime[CVRContext]
    stage: str
    what: str
    """Such as `observing video 1, 0.0-38.0 s (19 frames)`."""
    turn: int
    windows: Sequence[Window] = ()
    call: str = ""
    started_as: str = ""
    """Text of the event of its start; empty for `what`."""

    @property
    def number(self) -> int:
        """The number of the attempt, from 1."""
        info = self.runtime.execution_info
        return info.node_attempt if info is not None else 1

    def report(self, text: str, **more: Any) -> None:
        """Emit an event."""
        shared: dict[str, Any] = {"windows": self.windows, "call": self.call, "attempt": self.number}
        report(self.runtime, self.stage, text, self.turn, **shared, **more)


@contextmanager
def reported(attempt: Attempt, retry: RetryPolicy, *, ends: bool = True) -> Generator[None]:
    """Log and report the start, the end and the failure of an attempt; what a model wrote stays on one line.

    Args:
        retry: the policy that decides whether the attempt is repeated.
        ends: whether its end is an event too.
    """
    what = one_line(attempt.what)
    logger.debug("start: %s", what)
    attempt.report(attempt.started_as or attempt.what)
    start_s = time.monotonic()
    try:
        yield
    except asyncio.CancelledError:
        logger.info("cancelled after %.1f s: %s", time.monotonic() - start_s, what)
        raise
    except Exception as error:
        _failed(attempt, error, retry, time.monotonic() - start_s)
        raise
    duration_s = time.monotonic() - start_s
    logger.info("end after %.1f s: %s", duration_s, what)
    if ends:
        attempt.report(f"{attempt.what}: done in {duration_s:.1f} s", event="end", duration_s=duration_s)


async def repeated(work: Callable[[], Awaitable[Result]], retry: RetryPolicy) -> Result:
    """Return the result of some work inside a node, repeated by the policy of the nodes; raise its last error."""
    attempt = 1
    while True:
        try:
            return await work()
        except Exception as error:
            wait_s = wait_before_retry(retry, attempt, error)
            if wait_s is None:
                raise
        await asyncio.sleep(wait_s)
        attempt += 1


def gave_up(what: str, cause: str) -> None:
    """Log that a look failed after all attempts."""
    logger.warning("failed: %s: %s", one_line(what), one_line(cause))


def _failed(attempt: Attempt, error: Exception, retry: RetryPolicy, duration_s: float) -> None:
    wait_s = wait_before_retry(retry, attempt.number, error)
    failed = f"attempt {attempt.number} of {retry.max_attempts} failed after {duration_s:.1f} s"
    cause = one_line(without_keys(f"{type(error).__name__}: {error}"))
    if wait_s is None:
        logger.warning("%s: %s: %s", failed, one_line(attempt.what), cause)
        return
    logger.warning("%s, retry in %.1f s: %s: %s", failed, wait_s, one_line(attempt.what), cause)
    message = one_line(str(as_infrastructure_error(error, "the model")))
    text = f"{attempt.what}: {failed}, retry in {wait_s:.1f} s: {message}"
    attempt.report(text, event="retry", duration_s=duration_s, failure=failure_kind(error), wait_s=wait_s)


def wait_before_retry(retry: RetryPolicy, attempt: int, error: Exception) -> float | None:
    """Return how long LangGraph waits at least before it repeats a failed attempt; None if it does not repeat it."""
    if attempt >= retry.max_attempts or not _repeats(retry, error):
        return None
    return min(retry.max_interval, retry.initial_interval * retry.backoff_factor ** (attempt - 1))


def _repeats(retry: RetryPolicy, error: Exception) -> bool:
    wanted: Any = retry.retry_on  # a class, several, or a function
    if isinstance(wanted, type | Sequence):
        return isinstance(error, wanted if isinstance(wanted, type) else tuple(cast(Sequence[type], wanted)))
    return wanted(error)
