"""`http://HOST:PORT/v1#MODEL`: an OpenAI-compatible server; without `#MODEL` the only model that it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from agentcvr_graph.errors import SetupError, shown_address
from agentcvr_graph.models.clients.adaptive import adaptive
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.clients.keys import SERVER_KEY, server_key
from agentcvr_graph.models.clients.openai_compatible import check_served, only_model, unpooled_client
from agentcvr_graph.models.clients.replies import tolerant
from agentcvr_graph.models.providers.base import Provider, unknown

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel


@dataclass(frozen=True)
class Server(Provider):
    """A model behind `/chat/completions` or `/audio/transcriptions`."""

    base_url: str
    """Without a slash at the end, as `http://host:8000/v1`."""
    model: str
    """Empty for the only model that the server has."""

    form = "'http://HOST:PORT/v1#MODEL'"
    audio_form = "'http://HOST:PORT/v1#MODEL'"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        if not text.startswith(("http://", "https://")):
            return None
        url, _, model = text.partition("#")
        try:
            parts = urlsplit(url)
        except ValueError:  # such as half an IPv6 address
            raise unknown(text, "it is no address") from None
        if not parts.hostname:
            raise unknown(text, "the address has no host")
        if "@" in parts.netloc or parts.query:
            # A model string is printed, stored with a run, and shown to everyone who may choose it.
            raise SetupError(
                f"The address {shown_address(text)!r} of a model holds a user, a password or a query.",
                fix=f"Leave them out, and set {SERVER_KEY} to the key.",
            )
        if parts.path.strip("/") == "":
            raise unknown(text, f"an OpenAI-compatible server answers below a path, as '{url.rstrip('/')}/v1'")
        return cls(url.rstrip("/"), model)

    @property
    def spec(self) -> str:
        return f"{self.base_url}#{self.model}" if self.model else self.base_url

    @property
    def endpoint(self) -> str:
        return self.base_url

    def cache_name(self) -> str:
        return f"{self.base_url}#{only_model(self.base_url, self.model)}"

    def check(self) -> str:
        return check_served(self.base_url, self.model)

    def chat(self, timeout_s: float) -> BaseChatModel:
        require("langchain_openai", "langchain-openai", "openai")
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        model = ChatOpenAI(
            model=only_model(self.base_url, self.model),
            base_url=self.base_url,
            api_key=SecretStr(server_key()),
            timeout=timeout_s,
            max_retries=0,
            http_async_client=unpooled_client(timeout_s),
            use_responses_api=False,
        )
        return adaptive(tolerant(model))

    def audio(self, timeout_s: float) -> AudioModel:
        from agentcvr_graph.models.adapters.transcription_endpoint import TranscriptionEndpoint
        from agentcvr_graph.models.subtitles_first import SubtitlesFirst

        model = only_model(self.base_url, self.model)
        return SubtitlesFirst(TranscriptionEndpoint(self.base_url, model, api_key=server_key(), timeout_s=timeout_s))
