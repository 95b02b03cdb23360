"""The error hierarchy, sorted by who can do something about it.

    CVRError
    ├── InputError      the person's question, options or videos: mend the input (exit status 2)
    │   └── VideoError  one video cannot be used: missing, truncated, not a video, too large, ...
    ├── SetupError      the programmer's set-up: unknown model string, missing extra, missing key (exit status 2)
    ├── ActionError     the master asked for something that cannot be: it reads the message and asks again
    ├── InfrastructureError      a model, a server, the network or a decoder failed: the master reads it and goes on;
    │                   nobody's wrong answer, and never scored as one
    └── BugError        an invariant of this library broke: report it

`InputError` and `SetupError` are raised to the caller before anything is spent. `ActionError` and
`InfrastructureError` never leave the graph: they become a tool message. Every message names the value, what is allowed,
and the fix, in one line.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "?..."
"""Stands for the query of an address: signed links keep their key there."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*)(\?[^#]*)?")


class CVRError(Exception):
    """Root of everything this library raises on purpose.

    Args:
        message: what is wrong, with the value.
        fix: what to do about it, as an imperative; shown after the message.
    """

    def __init__(self, message: str, *, fix: str = "") -> None:
        self.message = message
        self.fix = fix
        super().__init__(f"{message} {fix}".strip())

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, and not made again of its text: errors come back from other processes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[CVRError], arguments: tuple[Any, ...], state: dict[str, Any]) -> CVRError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


def shown_address(address: str) -> str:
    """An address as people may read it: without user, password and query, where keys stand. A path stays as it is.

    >>> shown_address("https://user:password@host/a.mp4?token=abc#t=1,2")
    'https://host/a.mp4?...#t=1,2'
    """
    found = _ADDRESS.match(address)
    if found is None:
        return address
    return f"{found[1]}{found[2]}{HIDDEN if found[3] else ''}{address[found.end() :]}"


class InputError(CVRError, ValueError):
    """The question, its options or its videos cannot be used as given."""


class VideoError(InputError):
    """One video cannot be used. `source` is the string the person gave; the message shows it without its secrets."""

    def __init__(self, source: str, message: str, *, fix: str = "") -> None:
        self.source = source
        super().__init__(f"{shown_address(source)}: {message}", fix=fix)


class SetupError(CVRError):
    """A model string, an installed extra, a key or a setting is missing or wrong."""


class ActionError(CVRError):
    """The master's action cannot be carried out; `str(error)` is written for the master to read."""


class InfrastructureError(CVRError):
    """Something outside the policy failed (model, server, network, decoder); the action may be tried again.

    Args:
        transient: True when the same call may work a moment later (time-out, 429, 5xx); such calls are retried.
        status: the HTTP status that said so, where one did.
    """

    def __init__(self, message: str, *, fix: str = "", transient: bool = False, status: int | None = None) -> None:
        self.transient = transient
        self.status = status
        super().__init__(message, fix=fix)


class BugError(CVRError):
    """An invariant of this library does not hold."""


def missing_extra(package: str, extra: str) -> SetupError:
    """The one wording for an optional package that is not installed."""
    return SetupError(
        f"The package {package!r} is not installed.",
        fix=f"Install it with: pip install 'agentcvr-graph[{extra}]'",
    )
