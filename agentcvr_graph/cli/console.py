"""What all commands share: where they print, their exit statuses, and a check of a word against the allowed ones.

The answer goes to stdout and nothing else does; progress, notices and errors go to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich import markup
from rich.console import Console

from agentcvr_graph.errors import CVRError, InputError, SetupError, missing_extra
from agentcvr_graph.render import without_unseen

ANSWERED, NO_ANSWER, BAD_INPUT = 0, 1, 2
"""Exit statuses: done, could not answer, and the input or the set-up is wrong."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """A text that is no markup to the console and no order to the terminal: what a video says may be printed."""
    return markup.escape(without_unseen(text))


def one_of(what: str, value: str, allowed: Sequence[str]) -> str:
    """The value, if it is allowed.

    Raises:
        InputError: it is not; names the allowed ones.
    """
    if value not in allowed:
        raise InputError(f"Unknown {what} {value!r}.", fix=f"Choose one of: {', '.join(allowed)}.")
    return value


def run_app(app: Callable[[], None], extra: str = "live") -> None:
    """Run a command line: errors that a person can mend become one line and an exit status.

    Args:
        extra: where a package that is missing would have come from.
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
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
