"""What an eye and an ear are: the two protocols behind `LivePerception`, and what passes through them.

A vision model is given frames with their true times and tells what they show; an audio model is given sound, and the
subtitles that overlap it, and tells what is said and heard. Neither knows files, caches, budgets or the question: only
pixels or samples, the window they come from, and the focus. Adding a model to this library means writing one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentcvr_graph.media.types import Cue, Frame, Samples
from agentcvr_graph.types import Cost, Evidence, Window


@dataclass(frozen=True)
class Footage:
    """The frames sampled from one window, in order of time."""

    window: Window
    frames: tuple[Frame, ...]
    content_id: str
    """Identifies the content of the video (not its name), as a key for caches."""


@dataclass(frozen=True)
class Sound:
    """The sound of one window."""

    window: Window
    samples: Samples
    cues: tuple[Cue, ...]
    """Subtitles that overlap the window, clipped at its edges; empty when the video has none there."""
    content_id: str


@dataclass(frozen=True)
class Perceived:
    """What a model made of what it was given."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    """Tokens and model calls only; frames and seconds are counted by the perception."""


class VisionModel(Protocol):
    """Tells what frames show."""

    @property
    def name(self) -> str:
        """Identifies the model and its settings, as a key for caches and a label for people."""
        ...

    async def look(self, footage: Sequence[Footage], focus: str) -> Perceived:
        """Tell what the frames show, the statements that bear on `focus` first.

        Raises:
            InfrastructureError: the model or its server failed.
        """
        ...


class AudioModel(Protocol):
    """Tells what is said and heard."""

    @property
    def name(self) -> str:
        """Identifies the model and its settings, as a key for caches and a label for people."""
        ...

    async def hear(self, sound: Sound, focus: str) -> Perceived:
        """Tell what is said and heard, the statements that bear on `focus` first.

        Raises:
            InfrastructureError: the model or its server failed.
        """
        ...
