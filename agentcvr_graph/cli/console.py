"""What all commands share: where they print, their exit statuses, and a check of a word against the allowed ones.

The answer goes to stdout and nothing else does; progress, notices and errors go to stderr.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from agentcvr_graph.errors import InputError

ANSWERED, NO_ANSWER, BAD_INPUT = 0, 1, 2
"""Exit statuses: done, could not answer, and the input or the set-up is wrong."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def one_of(what: str, value: str, allowed: Sequence[str]) -> str:
    """The value, if it is allowed.

    Raises:
        InputError: it is not; names the allowed ones.
    """
    if value not in allowed:
        raise InputError(f"Unknown {what} {value!r}.", fix=f"Choose one of: {', '.join(allowed)}.")
    return value
