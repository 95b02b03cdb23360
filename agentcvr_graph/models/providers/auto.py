"""`auto`: the best recogniser of speech whose weights are on this computer, else the one without weights.

Nothing is downloaded. `agentcvr setup` fetches weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentcvr_graph.models.providers.base import OneModel, Provider
from agentcvr_graph.models.providers.offline import Offline
from agentcvr_graph.models.providers.whisper import Whisper

if TYPE_CHECKING:
    from agentcvr_graph.models.base import AudioModel


@dataclass(frozen=True)
class Auto(OneModel):
    """The recogniser of speech that is there."""

    name = "auto"
    form = "'auto' (audio only)"
    audio_form = "'auto'"
    vision_is_chat = False

    def chosen(self) -> Provider:
        """Return the provider of the recogniser, after a look into the cache of the Hub."""
        from agentcvr_graph.models.adapters.whisper_weights import available

        size = available()
        return Whisper(size) if size else Offline()

    def cache_name(self) -> str:
        return self.chosen().cache_name()

    def check(self) -> str:
        chosen = self.chosen()
        if isinstance(chosen, Offline):
            return "uses offline; 'agentcvr setup' fetches Whisper, which is better"
        return f"uses {chosen.spec}, {chosen.check()}"

    def audio(self, timeout_s: float) -> AudioModel:
        return self.chosen().audio(timeout_s)
