"""The vision model and the audio model: the two protocols behind `LivePerception`, their inputs and their output.

A vision model gets frames with their true times and returns what they show; an audio model gets sound, and the
subtitles that overlap it, and returns what is said and heard. Neither knows files, caches, budgets or the question:
only pixels or samples, the window they come from, and the focus. To add a model to this library, implement one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentcvr_graph.media.types import Cue, Frame, Samples
from agentcvr_graph.types import Cost, Evidence, Window, Zoom


@dataclass(frozen=True)
class SampledFrames:
    """Frames sampled from one window, in order of time."""

    window: Window
    frames: tuple[Frame, ...]
    content_id: str
    """Identifies the content of the video, not its name; used as a cache key."""
    zoom: Zoom | None = None
    """The part of the picture that the frames show; None for a look that knows no zoom, whose frames are whole."""


@dataclass(frozen=True)
class Sound:
    """The sound of one window."""

    window: Window
    samples: Samples
    cues: tuple[Cue, ...]
    """Subtitles that overlap the window, clipped at its edges; empty when the video has none there."""
    content_id: str


@dataclass(frozen=True)
class ModelOutput:
    """The output of a vision or audio model: evidence, notes and cost."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    """Tokens and model calls only; frames and seconds are counted by the perception."""


class VisionModel(Protocol):
    """Describes frames."""

    @property
    def name(self) -> str:
        """Identifies the model and its settings, as a cache key and a label in reports."""
        ...

    async def look(self, sampled: Sequence[SampledFrames], focus: str) -> ModelOutput:
        """Return what the frames show, statements related to `focus` first.

        Raises:
            InfrastructureError: the model or its server failed.
        """
        ...


class AudioModel(Protocol):
    """Transcribes speech and names other sounds."""

    @property
    def name(self) -> str:
        """Identifies the model and its settings, as a cache key and a label in reports."""
        ...

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Return what is said and heard, statements related to `focus` first.

        Raises:
            InfrastructureError: the model or its server failed.
        """
        ...
