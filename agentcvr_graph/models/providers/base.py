"""The base class of model providers. A provider is a kind of model string, and the models that such a string can name.

A provider is one frozen dataclass in one file of this folder, listed in `registry.PROVIDERS`. Its `parse` reads the
model string and touches nothing else: no model library, no network, no file. `chat`, `vision` and `audio` import what
they need when they are called. A provider implements those that it offers; the base class answers for the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from agentcvr_graph.errors import shown_address

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel, VisionModel


class ModelStringError(Exception):
    """Raised by a provider for a model string that it cannot use; the registry adds the allowed values."""


class Provider(ABC):
    """One model of a provider, as its model string names it."""

    form: ClassVar[str]
    """The form of the model strings, quoted, for error messages: `'offline'`."""
    name: ClassVar[str] = ""
    """The model string of a provider that reads one only."""
    audio_form: ClassVar[str] = ""
    """The same for audio models; empty when the provider has none."""
    vision_is_chat: ClassVar[bool] = True
    """Whether the vision model is a chat model, which can also answer questions about frames directly."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self | None:
        """Read a model string without surrounding spaces; return None for a string of another provider.

        Raises:
            ModelStringError: the string belongs to this provider and names no model.
            SetupError: the string holds a secret.
        """

    @property
    @abstractmethod
    def spec(self) -> str:
        """Return the model string."""

    @property
    def endpoint(self) -> str:
        """Name the server that runs the model, to limit concurrent calls to it; empty for models in this process."""
        return ""

    def cache_name(self) -> str:
        """Return the name under which replies of the model are cached; it changes when the model does.

        Raises:
            SetupError: the model cannot be found.
        """
        return self.spec

    def check(self) -> str:
        """Return what is known of the model without calling it. This blocks, and may wait for a server.

        Raises:
            SetupError: the model cannot be used.
        """
        return "ready"

    def trained_turns(self) -> int | None:
        """Return the number of turns, the answer included, that the master was trained with; None if none is stated.

        Raises:
            SetupError: what its folder states is not a number of turns.
        """
        return None

    def chat(self, timeout_s: float) -> BaseChatModel:
        """Return the chat model.

        Raises:
            ModelStringError: the provider has no chat models, or not this one.
            SetupError: a package, a key, a folder or a server is missing.
        """
        raise ModelStringError(f"No chat model is known for {self.spec!r}.")

    def vision(self, timeout_s: float, chat: BaseChatModel | None = None) -> VisionModel:
        """Return the vision model: by default the chat model, which is sent the frames as images.

        Args:
            timeout_s: longest single call, in seconds.
            chat: the chat model, where the caller has it already.

        Raises:
            ModelStringError: as `chat`.
            SetupError: as `chat`.
        """
        from agentcvr_graph.models.adapters.chat_vision import ChatVision

        return ChatVision(chat or self.chat(timeout_s), name=self.cache_name())

    def audio(self, timeout_s: float) -> AudioModel:
        """Return the audio model.

        Raises:
            ModelStringError: the provider has no audio models.
            SetupError: as `chat`.
        """
        raise ModelStringError(f"No transcription is known for {self.spec!r}.")


class OneModel(Provider):
    """A provider that reads one model string only, its `name`."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        return cls() if text == cls.name else None

    @property
    def spec(self) -> str:
        return self.name


def behind(scheme: str, text: str, hint: str = "") -> str | None:
    """Return the name behind a scheme such as `ollama:`; None for a model string without the scheme.

    Args:
        hint: where names are found, for the error.

    Raises:
        ModelStringError: there is nothing behind the scheme.
    """
    if not text.startswith(scheme):
        return None
    if not (name := text.removeprefix(scheme)):
        raise unknown(text, f"it names no model behind {scheme!r}{hint}")
    return name


def unknown(spec: str, hint: str = "") -> ModelStringError:
    """Return the error for a model string that no provider can use."""
    text = f"Unknown model string {shown_address(spec)!r}{': ' + hint if hint else ''}"
    return ModelStringError(text if text.endswith("?") else f"{text}.")
