"""The error hierarchy, sorted by who can fix the error.

    CVRError
    ├── InputError           the user's question, options or videos: change the input (exit status 2)
    │   └── VideoError       one video cannot be used: missing, truncated, not a video, too large, ...
    ├── SetupError           the set-up: unknown model string, missing extra, missing key (exit status 2)
    │   └── SettingsError    what the settings of a run choose cannot be used; also an `InputError`
    ├── ActionError          the master's action is invalid: the master reads the message and tries again
    ├── InfrastructureError  a model, a server, the network or a decoder failed: the master reads the message and
    │                        continues; never scored as a wrong answer
    └── BugError             an invariant of this library is broken: report it (traceback, exit status 70)

`InputError` and `SetupError` are raised to the caller before anything is spent. `ActionError` and
`InfrastructureError` never leave the graph: they become a tool message. `BugError` ends the run. Every message names
the value, what is allowed, and the fix, in one line.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

HIDDEN = "?..."
"""Replaces the query of an address, because signed links have their key there."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*)(\?[^#]*)?")


class CVRError(Exception):
    """Base class of all errors that this library raises on purpose.

    Args:
        message: what is wrong, with the value.
        fix: what to do about it, in the imperative; shown after the message.
    """

    exit_status: ClassVar[int] = 1
    """Exit status of a command that ends with this error."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        self.message = message
        self.fix = fix
        super().__init__(" ".join(filter(None, [_ended(message) if fix else message, fix])))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the attributes instead of calling the constructor again: errors come back from other processes."""
        return _restored, (type(self), self.args, self.__dict__)


def _ended(message: str) -> str:
    """Return a message that ends as a sentence does: texts of other libraries often have no full stop."""
    return message if not message or message[-1] in ".:;!?" else f"{message}."


def _restored(kind: type[CVRError], arguments: tuple[Any, ...], state: dict[str, Any]) -> CVRError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


def shown_address(address: str) -> str:
    """Return an address that is safe to show: without user, password and query, which may hold keys.

    A path is returned unchanged.

    >>> shown_address("https://user:password@host/a.mp4?token=abc#t=1,2")
    'https://host/a.mp4?...#t=1,2'
    """
    found = _ADDRESS.match(address)
    if found is None:
        return address
    return f"{found[1]}{found[2]}{HIDDEN if found[3] else ''}{address[found.end() :]}"


class InputError(CVRError, ValueError):
    """Raised when the question, its options or its videos cannot be used."""

    exit_status = 2


class VideoError(InputError):
    """Raised when one video cannot be used.

    `source` is the caller's string, which the message shows without secrets, and `problem` is the message without it.
    """

    def __init__(self, source: str, message: str, *, fix: str = "") -> None:
        self.source = source
        self.problem = message
        super().__init__(f"{shown_address(source)}: {message}", fix=fix)


class SetupError(CVRError):
    """Raised when a model string, an extra, a key or a setting is missing or wrong."""

    exit_status = 2


class SettingsError(SetupError, InputError):
    """Raised when the settings of a run, or the model or perception that they choose, cannot be used.

    Whoever starts the run can fix it, so callers may handle it as an `InputError`, and a LangGraph server shows its
    message. Neither the master nor an agent that calls the graph as a tool can fix it.
    """


class ActionError(CVRError):
    """Raised when the master's action cannot be carried out. The master reads `str(error)`."""


class InfrastructureError(CVRError):
    """Raised when something outside the policy failed: a model, a server, the network, a decoder.

    The master may try the action again.

    Args:
        transient: True if the same call may succeed a moment later (time-out, 429, 5xx); such calls are retried.
        status: the HTTP status of the failed call, or None if there is none.
    """

    def __init__(self, message: str, *, fix: str = "", transient: bool = False, status: int | None = None) -> None:
        self.transient = transient
        self.status = status
        super().__init__(message, fix=fix)


class BugError(CVRError):
    """Raised when an invariant of this library does not hold."""

    exit_status = 70  # EX_SOFTWARE of sysexits.h


def missing_extra(package: str, extra: str) -> SetupError:
    """Return the error for an optional package that is not installed; all such errors have the same wording."""
    return SetupError(
        f"The package {package!r} is not installed.",
        fix=f"Install it with: pip install 'agentcvr-graph[{extra}]'",
    )
