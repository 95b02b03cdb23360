"""Model strings to a perception of real video.

Media and model libraries are imported when a perception is built, not before: swap mode needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentcvr_graph.models.providers.hosted import require
from agentcvr_graph.models.registry import resolve_audio, resolve_vision

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library
    from agentcvr_graph.perception.live import LivePerception


def resolve_perception(
    vision: str = "offline", audio: str = "offline", *, media: Library | None = None
) -> LivePerception:
    """Eyes and ears for real video.

    Args:
        media: opens videos; None to decode in this process. Files of strangers go into an `IsolatedLibrary`.

    Raises:
        SetupError: as `resolve_chat_model`.
    """
    eyes, ears = resolve_vision(vision), resolve_audio(audio)
    from agentcvr_graph.perception.live import LivePerception

    return LivePerception(eyes, ears, media)


def isolated_media(**settings: Any) -> Library:
    """A library that decodes in processes which may die; for programs whose main module is guarded.

    Args:
        settings: of `MediaLibrary`.

    Raises:
        SetupError: a package of the extra `live` is missing.
    """
    require("pebble", "pebble", "live")
    from agentcvr_graph.media.isolated import IsolatedLibrary

    return IsolatedLibrary(**settings)
