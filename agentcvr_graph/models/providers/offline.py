"""`offline`: the models that come with this library. They need no download, no key and no GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentcvr_graph.models.providers.base import OneModel

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel, VisionModel

TEXT_CACHE_BYTES = 2**27
"""Largest cache of on-screen text, in bytes."""


@dataclass(frozen=True)
class Offline(OneModel):
    """The offline master, vision model and audio model."""

    name = "offline"
    form = "'offline'"
    audio_form = "'offline'"
    vision_is_chat = False

    def chat(self, timeout_s: float) -> BaseChatModel:
        from agentcvr_graph.models.offline.master import OfflineMaster

        return OfflineMaster()

    def vision(self, timeout_s: float, chat: BaseChatModel | None = None) -> VisionModel:
        from agentcvr_graph.media.cache import DiskCache, default_cache_dir
        from agentcvr_graph.models.offline.vision import OfflineVision

        return OfflineVision(DiskCache(default_cache_dir() / "on_screen_text", TEXT_CACHE_BYTES))

    def audio(self, timeout_s: float) -> AudioModel:
        from agentcvr_graph.models.offline.audio import OfflineAudio

        return OfflineAudio()
