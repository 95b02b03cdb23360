"""The settings of a run. Every field has a description, bounds and its nodes, so that a form can show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue


def setting(*nodes: str, description: str, ge: float | None = None, enum: Sequence[str] = ()) -> Any:
    """Return the annotation of a setting. LangGraph Studio shows it beside the nodes in `langgraph_nodes`."""
    extra: dict[str, JsonValue] = {"langgraph_nodes": [*nodes]}
    if enum:
        extra["enum"] = [*enum]
    return Field(ge=ge, description=description, json_schema_extra=extra)


@dataclass(frozen=True)
class CVRContext:
    """Settings of one run: budgets, review, memory and how the master acts. All of them are JSON-able.

    Objects (models, perception) are passed when the graph is built. A server that lets a run choose its models adds
    its own settings (`server.py`).
    """

    max_turns: Annotated[int, setting("master", ge=1, description="Calls of the master; the last may only answer.")] = (
        12
    )
    max_frames: Annotated[
        int, setting("visual_agent", ge=0, description="Frames that may be looked at in one question.")
    ] = 512
    max_frames_per_call: Annotated[
        int,
        setting("visual_agent", ge=1, description="Frames of one observe call, shared over its windows by duration."),
    ] = 128
    max_audio_s: Annotated[
        float, setting("audio_agent", ge=0, description="Seconds of sound that may be listened to.")
    ] = 7200.0
    max_tokens: Annotated[
        int | None,
        setting("master", ge=0, description="Input and output tokens of all models together; empty for no limit."),
    ] = None
    max_wall_s: Annotated[
        float | None, setting("master", ge=0, description="Wall-clock seconds; empty for no limit.")
    ] = None
    min_evidence: Annotated[
        int,
        setting("conclude", ge=0, description="Observations of every readable video before an answer is accepted."),
    ] = 1
    review_above_frames: Annotated[
        int | None,
        setting(
            "visual_agent",
            ge=0,
            description="Frames of one look above which a human reviews it first; empty for never.",
        ),
    ] = None
    review_above_audio_s: Annotated[
        float | None,
        setting(
            "audio_agent",
            ge=0,
            description="Seconds of sound in one call above which a human reviews it first; empty for never.",
        ),
    ] = None
    remember: Annotated[
        bool,
        setting(
            "brief",
            "visual_agent",
            "audio_agent",
            description="Keep evidence in the graph's store, and begin with what it knows of the videos.",
        ),
    ] = False
    unreadable: Annotated[
        Literal["stop", "continue"],
        setting(
            "brief", description="An unreadable video: stop with an error, or report it to the master and continue."
        ),
    ] = "stop"
    dialect: Annotated[
        Literal["auto", "tools", "json"],
        setting("master", description="How the master acts: tool calls, JSON text, or tool calls where the model can."),
    ] = "auto"
    language: Annotated[
        str, setting("master", description="Language of thoughts and answers; empty for the question's own.")
    ] = ""
