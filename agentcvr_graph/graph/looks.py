"""The log of looks: start (DEBUG), end with its duration (INFO), a failed attempt and the final failure (WARNING).

The package logs nothing to the terminal on its own: an application that wants these lines configures `logging`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager

from agentcvr_graph.models.clients.keys import without_keys
from agentcvr_graph.render import one_line

logger = logging.getLogger(__name__)


@contextmanager
def logged(what: str) -> Generator[None]:
    """Log the start, the duration and the end of one attempt at a look; what a model wrote stays on one line."""
    what = one_line(what)
    logger.debug("start: %s", what)
    start_s = time.monotonic()
    try:
        yield
    except asyncio.CancelledError:
        logger.info("cancelled after %.1f s: %s", time.monotonic() - start_s, what)
        raise
    except Exception as error:
        cause = one_line(without_keys(f"{type(error).__name__}: {error}"))
        logger.warning("attempt failed after %.1f s: %s: %s", time.monotonic() - start_s, what, cause)
        raise
    logger.info("end after %.1f s: %s", time.monotonic() - start_s, what)


def gave_up(node: str, cause: str) -> None:
    """Log that a look failed after all attempts."""
    logger.warning("failed: %s: %s", node, one_line(cause))
