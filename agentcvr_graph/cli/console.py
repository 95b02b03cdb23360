"""Consoles, exit statuses and error messages, shared by all commands.

Only results go to stdout; progress, notices and errors go to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich import markup
from rich.console import Console

from agentcvr_graph.errors import CVRError, InputError, SetupError, missing_extra
from agentcvr_graph.render import without_unseen

ANSWERED, NO_ANSWER, BAD_INPUT, STOPPED = 0, 1, 2, 130
"""Exit statuses: done; could not answer; the input or the set-up is wrong; stopped with Ctrl-C."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """Escape console markup and remove terminal control codes, so that text from a video is safe to print."""
    return markup.escape(without_unseen(text))


def one_of(what: str, value: str, allowed: Sequence[str]) -> str:
    """Return the value if it is allowed.

    Raises:
        InputError: the value is not allowed; the message lists the allowed ones.
    """
    if value not in allowed:
        raise InputError(f"Unknown {what} {value!r}.", fix=f"Choose one of: {', '.join(allowed)}.")
    return value


def run_app(app: Callable[[], None], extra: str = "live") -> None:
    """Run a command line; turn errors that the user can fix into one line and an exit status.

    Args:
        app: the command line.
        extra: the extra that an ImportError suggests to install.
    """
    try:
        app()
    except (InputError, SetupError) as error:
        for line in str(error).splitlines():
            err.print(f"[red]error:[/] {escape(line)}")
        sys.exit(BAD_INPUT)
    except CVRError as error:
        err.print(f"[red]could not answer:[/] {escape(str(error))}")
        sys.exit(NO_ANSWER)
    except ImportError as error:
        err.print(f"[red]error:[/] {escape(str(missing_extra(error.name or 'a library', extra)))}")
        sys.exit(BAD_INPUT)
    except OSError as error:
        if error.filename is None:
            raise
        err.print(f"[red]error:[/] {escape(_refused(error))}")
        sys.exit(BAD_INPUT)
    except SystemExit as error:
        if error.code == STOPPED:  # typer turns KeyboardInterrupt into this status, without a message
            err.print("stopped")
        raise


def _refused(error: OSError) -> str:
    return f"{error.filename} cannot be read or written: {error.strerror}. Check the path, or choose another."
