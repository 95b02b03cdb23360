"""Build a perception of real video from model strings.

Media and model libraries are imported when a perception is built, because swap mode needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentcvr_graph.models.clients.extras import naming_extra
from agentcvr_graph.models.registry import resolve_audio, resolve_vision

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library
    from agentcvr_graph.perception.live import LivePerception


def resolve_perception(
    vision: str = "offline", audio: str = "offline", *, media: Library | None = None
) -> LivePerception:
    """Return a perception of real video.

    Args:
        media: opens videos; None to decode in this process. Use an `IsolatedLibrary` for untrusted files.

    Raises:
        SetupError: as `resolve_chat_model`; also if a package of the extra `live` is missing.
    """
    with naming_extra("live"):
        vision_model, audio_model = resolve_vision(vision), resolve_audio(audio)
        from agentcvr_graph.perception.live import LivePerception

        return LivePerception(vision_model, audio_model, media)


def isolated_media(**settings: Any) -> Library:
    """Return a library that decodes in worker processes, which may crash.

    Args:
        settings: arguments of `MediaLibrary`.

    Raises:
        SetupError: a package of the extra `live` is missing.
    """
    with naming_extra("live"):
        from agentcvr_graph.media.isolated import IsolatedLibrary

        return IsolatedLibrary(**settings)
