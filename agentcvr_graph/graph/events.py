"""Progress of a run: each event is one small dictionary on LangGraph's `custom` stream.

A parent graph receives the events of this graph on its own stream (`subgraphs=True`), a server forwards them, and the
command line prints them. They are for display only; nothing in the graph depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.types import Window


class Progress(TypedDict):
    """One event."""

    source: Literal["agentcvr"]
    stage: str
    """The node that reports: `brief`, `master`, `conclude`, or the node of a tool."""
    turn: int
    text: str
    """The current step, on one line: `observing video 1, 0.0-38.0 s (19 frames)`."""
    windows: list[dict[str, float]]
    """The windows being observed or listened to; empty for other nodes."""


def report(runtime: Runtime[CVRContext], stage: str, text: str, turn: int = 0, windows: Sequence[Window] = ()) -> None:
    """Emit one event."""
    event = Progress(
        source="agentcvr",
        stage=stage,
        turn=turn,
        text=text,
        windows=[{"video": w.video, "start_s": w.start_s, "end_s": w.end_s} for w in windows],
    )
    runtime.stream_writer(event)
