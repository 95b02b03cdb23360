"""Consoles, exit statuses and error messages, shared by all commands.

Only results go to stdout; progress, notices and errors go to stderr.
"""

from __future__ import annotations

import errno
import functools
import io
import logging
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from rich import markup
from rich.console import Console

from agentcvr_graph.errors import BugError, CVRError, InputError, missing_extra
from agentcvr_graph.models.clients.extras import is_own
from agentcvr_graph.models.clients.keys import traceback_without_keys

ANSWERED, NO_ANSWER, BAD_INPUT, STOPPED, TERMINATED = 0, 1, 2, 130, 143
"""Exit statuses: done; could not answer; the input or the set-up is wrong; stopped with Ctrl-C; stopped by SIGTERM."""

Name = TypeVar("Name", bound=str)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors of a disk that is full, or that cannot be written for another reason."""
NOTES_SHOWN = 20
"""Number of notes that are printed."""
CAUSES_SHOWN = 3
"""Causes of failures that are printed."""
_PYDANTIC = re.compile(r"\s*(?:\[type=.*?(?:input_type=\w+\]|$)|For further information visit \S*)", re.S)
"""What pydantic adds to the reason of an error, also where it has been cut off."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """Escape console markup and remove terminal control codes, so that text from a video is safe to print.

    Bytes of a file name that are no text are written as escapes.
    """
    from agentcvr_graph.render import with_escapes, without_unseen

    return markup.escape(without_unseen(with_escapes(text)))


def print_notes(notes: Sequence[str]) -> None:
    """Print the first notes, and how many others there are."""
    print_some("note", "yellow", notes)


def print_some(label: str, colour: str, lines: Sequence[str]) -> None:
    """Print the first lines behind a label, and how many others there are."""
    from agentcvr_graph.render import counted

    print_all(label, colour, lines[:NOTES_SHOWN])
    if len(lines) > NOTES_SHOWN:
        err.print(f"[{colour}]{label}:[/] {counted(len(lines) - NOTES_SHOWN, f'more such {label}')}")


def print_all(label: str, colour: str, lines: Sequence[str]) -> None:
    """Print all lines behind a label: errors that the user has to fix one by one."""
    for line in lines:
        err.print(f"[{colour}]{label}:[/] {escape(line)}")


def print_causes(failures: Iterable[str], place: str) -> None:
    """Print the most frequent causes of failures, each on one line with its count, and where the others are."""
    from agentcvr_graph.models.clients.errors import one_line

    causes = Counter(one_line(_PYDANTIC.sub("", failure)) for failure in failures)
    for cause, count in causes.most_common(CAUSES_SHOWN):
        err.print(f"[yellow]failed:[/] {count} x {escape(cause)}")
    if len(causes) > CAUSES_SHOWN:
        err.print(f"{len(causes) - CAUSES_SHOWN} more causes are in {escape(place)}.")


def print_failed_jobs(causes: Counter[str], written: Path) -> None:
    """Print why jobs of a chat model that writes scripts failed, and the file that lists them; nothing if none did."""
    if causes:
        place = str(written.with_suffix(".failures.jsonl"))
        print_causes(causes.elements(), place)
        err.print(f"failed jobs: {escape(place)}")


def one_of(what: str, value: str, allowed: Sequence[Name]) -> Name:
    """Return the value if it is allowed.

    Raises:
        InputError: the value is not allowed; the message lists the allowed ones.
    """
    for name in allowed:
        if name == value:
            return name
    raise InputError(f"Unknown {what} {value!r}.", fix=f"Choose one of: {', '.join(allowed)}.")


def new_file(path: Path, *, force: bool, option: str = "--out") -> Path:
    """Return a file to write.

    Args:
        force: replace the file if it exists.
        option: the option that names it.

    Raises:
        InputError: it exists, and may not be replaced.
    """
    if not force and path.is_file() and path.stat().st_size:
        raise InputError(f"{path} exists.", fix=f"Name another file with {option}, or replace this one with --force.")
    return path


def run_app(app: Callable[[], None], extra: str = "live") -> None:
    """Run a command line; turn errors that the user can fix into one line and an exit status.

    Other errors are shown with their traceback, without keys, and end in the exit status of a `BugError`.

    Args:
        app: the command line.
        extra: the extra that an ImportError suggests to install.
    """
    _show_warnings()
    _replace_unknown_characters()
    with _sigterm_as_ctrl_c() as terminated:
        try:
            app()
        except BugError as error:
            _show_bug(error)
            sys.exit(error.exit_status)
        except CVRError as error:
            label = "could not answer" if error.exit_status == NO_ANSWER else "error"
            for line in str(error).splitlines():
                err.print(f"[red]{label}:[/] {escape(line)}")
            sys.exit(error.exit_status)
        except Exception as error:
            message = _for_user(error, extra)
            if not message:
                _show_bug(error)
                sys.exit(BugError.exit_status)
            err.print(f"[red]error:[/] {escape(message)}")
            sys.exit(BAD_INPUT)
        except SystemExit as error:
            if error.code != STOPPED:  # typer turns KeyboardInterrupt into this status, without a message
                raise
            err.print("stopped")
            sys.exit(TERMINATED if terminated else STOPPED)


def _replace_unknown_characters() -> None:
    """Print a question mark for what the encoding of the terminal or file does not have, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


class _ToStderr(logging.Handler):
    """Prints records on `err`, whose stream is what `sys.stderr` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(escape(self.format(record)))


@functools.cache
def _show_warnings() -> None:
    """Print warnings of the library on stderr, without those of looks, which are shown as progress."""
    handler = _ToStderr(logging.WARNING)
    handler.addFilter(lambda record: not record.name.endswith(".looks"))
    logging.getLogger("agentcvr_graph").addHandler(handler)


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[list[int]]:
    """Let SIGTERM end the command as Ctrl-C does, with its clean-up. Yield a list that gets the signal if it comes."""
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # a shell that runs the command in the background ignores Ctrl-C for it
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _for_user(error: Exception, extra: str) -> str:
    """Return the message of an exception that the user can fix: a missing package, a refused file; else empty."""
    if isinstance(error, ImportError) and not is_own(error):
        return str(missing_extra(error.name or "a library", extra))
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be read or written: {error.strerror}. Check the path, or choose another."
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"The output cannot be written: {error.strerror}. Free some space, or write to another disk."
    return ""


def _show_bug(error: Exception) -> None:
    err.print(escape(traceback_without_keys(error)))
    err.print("[red]bug:[/] agentcvr ended in an unexpected error. Please report it with the lines above.")
