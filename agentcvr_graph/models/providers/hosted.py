"""`PROVIDER:MODEL`, or a well-known name alone: a model behind a provider's own API.

Chat models come from LangChain's `init_chat_model`. LangChain and each provider raise different exceptions for a
missing package, a missing key and an unknown name; this module turns each into one error with a one-line message. Audio
models are available from OpenAI only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from agentcvr_graph.errors import CVRError, SetupError, missing_extra
from agentcvr_graph.models.clients.adaptive import adaptive
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.clients.keys import PROVIDER_KEYS, missing_key, without_keys
from agentcvr_graph.models.clients.openai_compatible import unpooled_client
from agentcvr_graph.models.clients.replies import tolerant
from agentcvr_graph.models.providers.base import ModelStringError, Provider, unknown

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Hosted(Provider):
    """A model that `init_chat_model` knows how to reach."""

    provider: str
    """Empty when the string leaves it to `init_chat_model` to guess."""
    model: str

    form = "PROVIDER:MODEL (such as 'openai:gpt-4o')"
    audio_form = "'openai:whisper-1'"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        scheme, colon, rest = text.partition(":")
        if colon and not rest:
            raise unknown(text, f"it names no model behind {text!r}")
        if scheme == "vllm":
            raise unknown(text, f"serve it with 'vllm serve {rest}' and give 'http://127.0.0.1:8000/v1'")
        if text[:1] in (".", "/", "~"):
            raise unknown(text, f"for a folder write 'transformers:{text}'")
        if not text or "://" in text:
            return None
        return cls(scheme, rest) if colon else cls("", text)

    @property
    def spec(self) -> str:
        return f"{self.provider}:{self.model}" if self.provider else self.model

    @property
    def endpoint(self) -> str:
        return self.provider or self.model

    def chat(self, timeout_s: float) -> BaseChatModel:
        """Return the chat model of the provider; its client does not retry, the graph does."""
        self._require_langchain()
        from langchain.chat_models import init_chat_model

        key = missing_key(self.provider)
        options: dict[str, Any] = {"timeout": timeout_s, "max_retries": 0}
        if self.provider == "openai":
            options["http_async_client"] = unpooled_client(timeout_s)
        try:
            # The overloads of init_chat_model do not match a mapping of options.
            model: BaseChatModel = cast(Any, init_chat_model)(self.spec, **options)
        except ImportError as error:
            raise _missing_package(self, error) from error
        except Exception as error:
            # Each provider has its own exception for "no key", raised from its constructor.
            raise _unusable(self, error, key or _key_named_in(error)) from error
        # Some constructors do not check for a key, and the provider may have been guessed, so check again.
        if key := missing_key(type(model).__module__.partition(".")[0].removeprefix("langchain_")):
            raise _no_key(self.spec, key)
        return adaptive(tolerant(model))

    def _require_langchain(self) -> None:
        """Import LangChain; without it only its best-known providers can be told from a misspelled model string.

        Raises:
            SetupError: it is missing, and the string names one of these providers.
            ModelStringError: it is missing, and the string may be misspelled.
        """
        try:
            require("langchain", "langchain", "openai")
        except SetupError as error:
            if self.provider in PROVIDER_KEYS:
                raise
            if not self.provider:  # a short name, which the allowed forms show with its provider
                raise unknown(self.spec) from error
            raise unknown(self.spec, "a hosted model needs more packages, agentcvr-graph[openai]") from error

    def audio(self, timeout_s: float) -> AudioModel:
        from agentcvr_graph.models.adapters.transcription_endpoint import TranscriptionEndpoint
        from agentcvr_graph.models.subtitles_first import SubtitlesFirst

        if self.provider != "openai":
            raise ModelStringError(f"No transcription is known for {self.spec!r}.")
        if key := missing_key("openai"):
            raise _no_key(self.spec, key)
        endpoint = TranscriptionEndpoint(
            os.environ.get("OPENAI_BASE_URL", OPENAI_URL).rstrip("/"),
            self.model,
            api_key=os.environ["OPENAI_API_KEY"],
            key_variable="OPENAI_API_KEY",
            name=self.spec,
            timeout_s=timeout_s,
        )
        return SubtitlesFirst(endpoint)


def _missing_package(hosted: Hosted, error: ImportError) -> SetupError:
    package = "langchain-" + hosted.provider.replace("_", "-")
    named = [word.strip("`'\".,") for word in str(error).split() if "langchain-" in word]
    package = named[0] if named else package
    if package == "langchain-openai":
        return missing_extra(package, "openai")
    return SetupError(
        f"The model {hosted.spec!r} needs the package {package!r}.",
        fix=f"Install it with: pip install {package}",
    )


def _unusable(hosted: Hosted, error: Exception, key: str) -> CVRError | ModelStringError:
    if key:
        return _no_key(hosted.spec, key)
    if isinstance(error, ValueError) and "model_provider" in str(error) or "Unsupported" in str(error):
        return unknown(hosted.spec)
    reason = without_keys(str(error)).strip().partition("\n")[0] or type(error).__name__
    return SetupError(f"The model {hosted.spec!r} cannot be set up: {reason}")


def _key_named_in(error: Exception) -> str:
    """Return the variable that a constructor's message names, for a provider that `init_chat_model` guessed."""
    words = (word.strip("`'\".,()") for word in str(error).split())
    return next((word for word in words if word.endswith("_API_KEY") and not os.environ.get(word)), "")


def _no_key(spec: str, variable: str) -> SetupError:
    return SetupError(f"The model {spec!r} needs an API key.", fix=f"Set the environment variable {variable}.")
