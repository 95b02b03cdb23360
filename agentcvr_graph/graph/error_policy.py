"""How the graph handles an exception: retry, report it to the master, or stop the run.

`models/clients/errors.py` knows the exceptions of client libraries and turns them into `InfrastructureError`. This
module knows only the graph's side.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from agentcvr_graph.errors import BugError, SetupError
from agentcvr_graph.models.clients.errors import as_infrastructure_error, recognised
from agentcvr_graph.models.clients.keys import traceback_without_keys, without_keys
from agentcvr_graph.render import plain

logger = logging.getLogger(__name__)


def error_for_master(error: BaseException, code: str = "") -> str:
    """Return an infrastructure error as one line for the master.

    Args:
        code: as of `as_infrastructure_error`.

    Raises:
        SetupError, BugError: the set-up is wrong (a key, a package, a setting), or this library is. The master cannot
            act on that, so it ends the run.
    """
    if isinstance(error, TimeoutError):
        return "That took too long and was stopped. Try a shorter window."
    failure = as_infrastructure_error(error, "the model", code)
    if isinstance(failure, BugError):
        raise failure
    if isinstance(failure, SetupError):
        raise failure from None  # the original exception may contain a key
    if recognised(error, "the model") is None:
        _log(error)
    return plain(str(failure))


def named(tool: str) -> str:
    """Return how errors name a tool; its own code, or the perception that it calls, has raised them."""
    return f"the tool {tool!r}"


@contextmanager
def without_keys_in_errors() -> Generator[None]:
    """Replace an error whose text contains a key by one without it: LangGraph stores errors in its checkpoints."""
    try:
        yield
    except Exception as error:
        said = repr(error) + str(error)
        if without_keys(said) == said:
            raise
        failure = as_infrastructure_error(error, "the model")
        if recognised(error, "the model") is None:
            _log(error)
    else:
        return
    raise failure


def _log(error: BaseException) -> None:
    logger.error("An unexpected error was reported to the master\n%s", traceback_without_keys(error))
