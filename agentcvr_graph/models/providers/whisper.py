"""`whisper:SIZE_OR_FOLDER`: a Whisper model in this process, by faster-whisper. It only transcribes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.providers.base import Provider, behind
from agentcvr_graph.models.providers.in_process import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from agentcvr_graph.models.base import AudioModel

SCHEME = "whisper:"
STATEMENTS = 2
"""Version of what is stated about the same sound: raise it when that changes, and no older transcript is used."""


@dataclass(frozen=True)
class Whisper(Provider):
    """A Whisper model whose weights are on this computer."""

    source: str
    """A size such as `base`, a folder, or the name of a repository on the Hub."""

    form = "'whisper:SIZE_OR_FOLDER' (audio only)"
    audio_form = "'whisper:SIZE_OR_FOLDER' (such as 'whisper:base')"
    vision_is_chat = False

    @classmethod
    def parse(cls, text: str) -> Self | None:
        source = behind(SCHEME, text)
        return None if source is None else cls(source)

    @property
    def spec(self) -> str:
        return f"{SCHEME}{self.source}"

    def found(self) -> Path:
        """Return the folder of the weights.

        Raises:
            SetupError: they are not on this computer; nothing is downloaded.
        """
        require("faster_whisper", "faster-whisper", "live")
        from agentcvr_graph.models.adapters.whisper_weights import find

        return find(self.source)

    def cache_name(self) -> str:
        """Return the model string with a digest that changes with the weights, and the version of its statements."""
        return f"{self.spec}@{digest_of(self.found())}-{STATEMENTS}"

    def check(self) -> str:
        folder = self.found()
        from agentcvr_graph.models.adapters.whisper_engine import load

        load(folder)
        return f"loaded from {folder}"

    def audio(self, timeout_s: float) -> AudioModel:
        folder = self.found()
        from agentcvr_graph.models.adapters.whisper import WhisperTranscriber
        from agentcvr_graph.models.offline.audio import SpeechAndSounds

        name = self.cache_name()
        return SpeechAndSounds(WhisperTranscriber(folder, name=name), name=name)
