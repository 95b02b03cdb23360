"""What a run tells while it runs: one small dictionary an event on LangGraph's `custom` stream.

A parent graph sees the events of this graph on its own stream (`subgraphs=True`), a server forwards them, and the
command line prints them. They are for people; nothing in the graph depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.render import window_label
from agentcvr_graph.types import Listen, Observe, Window

Stage = Literal["brief", "master", "visual_agent", "audio_agent", "conclude"]


class Progress(TypedDict):
    """One event."""

    source: Literal["agentcvr"]
    stage: Stage
    turn: int
    text: str
    """One line for a person."""
    windows: list[dict[str, float]]
    """The windows being looked at or listened to; empty for the other stages."""


def report(
    runtime: Runtime[CVRContext], stage: Stage, text: str, turn: int = 0, windows: Sequence[Window] = ()
) -> None:
    """Emit one event."""
    event = Progress(
        source="agentcvr",
        stage=stage,
        turn=turn,
        text=text,
        windows=[{"video": w.video, "start_s": w.start_s, "end_s": w.end_s} for w in windows],
    )
    runtime.stream_writer(event)


def describe_request(request: Observe | Listen) -> str:
    """`looks at video 1, 0.0-8.0 s (4 frames) for "salt"`."""
    focus = f' for "{request.focus}"' if request.focus else ""
    if isinstance(request, Listen):
        return f"listens to {window_label(request.window)}{focus}"
    places = "; ".join(
        f"{window_label(target)} ({target.frames} frame{'' if target.frames == 1 else 's'})"
        for target in request.targets
    )
    return f"looks at {places}{focus}"
