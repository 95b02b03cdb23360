"""Progress of a run: each event is one small dictionary on LangGraph's `custom` stream.

A parent graph receives the events of this graph on its own stream (`subgraphs=True`), a server forwards them, and the
command line and the MCP server show them. They are for display only; nothing in the graph depends on them.

A look has a `start` for each attempt, a `retry` for each attempt that failed and will be repeated, and one `end` or
`failure`. A run has one `end` or `failure` of the stage `conclude`, unless it raises an error: then the stage that
raised it reports a `failure` of the kind `input`, `setup` or `bug`. A cancelled run reports nothing more.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agentcvr_graph.errors import BugError, CVRError, InputError, SettingsError, SetupError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.types import Window

Event: TypeAlias = Literal["start", "end", "retry", "failure"]
FailureKind: TypeAlias = Literal["", "infrastructure", "timeout", "master", "input", "setup", "bug"]


class Progress(TypedDict):
    """One event."""

    source: Literal["agentcvr"]
    event: Event
    stage: str
    """The node that reports: `brief`, `master`, `verify`, `conclude`, or the node of a tool."""
    turn: int
    text: str
    """The event on one line: `observing video 1, 0.0-38.0 s (19 frames)`, and for its end `...: done in 2.1 s`."""
    windows: list[dict[str, float]]
    """The windows being observed or listened to; empty for other nodes."""
    call: str
    """Id of the master's call that a look carries out, the same in all events of a look; empty for other nodes."""
    attempt: int
    """Number of the attempt, from 1."""
    duration_s: float | None
    """Of an `end` of a look and of a `retry`: seconds of the attempt. Of a `failure` of a look: of all attempts. Of
    `conclude`: of the run. Else None."""
    failure: FailureKind
    """What failed, in a `retry` and a `failure`: a model, a server or a decoder (`infrastructure`), the time limit of
    an attempt (`timeout`), the master's turns or answer (`master`), the question or its videos (`input`), a package, a
    key or a setting (`setup`), this library (`bug`)."""
    wait_s: float | None
    """Of a `retry`: seconds until the next attempt, at least; the retry policy may add up to one second. Else None."""


def report(
    runtime: Runtime[CVRContext],
    stage: str,
    text: str,
    turn: int = 0,
    *,
    event: Event = "start",
    windows: Sequence[Window] = (),
    call: str = "",
    attempt: int = 1,
    duration_s: float | None = None,
    failure: FailureKind = "",
    wait_s: float | None = None,
) -> None:
    """Emit one event."""
    progress = Progress(
        source="agentcvr",
        event=event,
        stage=stage,
        turn=turn,
        text=text,
        windows=[{"video": w.video, "start_s": w.start_s, "end_s": w.end_s} for w in windows],
        call=call,
        attempt=attempt,
        duration_s=None if duration_s is None else round(duration_s, 3),
        failure=failure,
        wait_s=wait_s,
    )
    runtime.stream_writer(progress)


@contextmanager
def failures_reported(runtime: Runtime[CVRContext], stage: str, turn: int = 0, **look: Any) -> Generator[None]:
    """Report an error that ends the run, and raise it on.

    A `SetupError`, such as a key that is refused in a call, becomes a `SettingsError`: a LangGraph server shows the
    message of that to its client, and of a plain `SetupError` only the class.
    """
    try:
        yield
    except CVRError as error:
        text = f"failed: {one_line(str(error))}"
        report(runtime, stage, text, turn, event="failure", failure=failure_kind(error), **look)
        if isinstance(error, SetupError) and not isinstance(error, SettingsError):
            raise SettingsError(error.message, fix=error.fix) from error
        raise


def failure_kind(error: BaseException) -> FailureKind:
    """Return what failed, by the class of the error."""
    for kind, classes in _KINDS.items():
        if isinstance(error, classes):
            return kind
    return "infrastructure"


_KINDS: dict[FailureKind, type[BaseException]] = {
    "timeout": TimeoutError,
    "setup": SetupError,
    "input": InputError,
    "bug": BugError,
}
