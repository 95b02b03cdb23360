"""`ollama:NAME`: a model that Ollama serves, over its own interface.

Its own interface and not its OpenAI port, because only there can a call set the length of the context: Ollama cuts a
longer prompt off without an error, and by default it is shorter than one look at a few frames. `OLLAMA_HOST` names a
server that is not on this machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.adaptive import adaptive
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.clients.openai_compatible import served_models
from agentcvr_graph.models.providers.base import Provider, behind

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

SCHEME = "ollama:"
CONTEXT_TOKENS = 16_384
"""Length of the context that a call asks for; Ollama lowers it to what the model has."""
ADDRESS = "http://127.0.0.1:11434"


@dataclass(frozen=True)
class Ollama(Provider):
    """A model by the name that `ollama list` shows."""

    model: str

    form = "'ollama:NAME'"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        model = behind(SCHEME, text, "; 'ollama list' shows those that you have")
        return None if model is None else cls(model)

    @property
    def spec(self) -> str:
        return f"{SCHEME}{self.model}"

    @property
    def endpoint(self) -> str:
        return server_address()

    def check(self) -> str:
        try:
            served = served_models(f"{self.endpoint}/v1")
        except SetupError as error:
            raise SetupError(error.message, fix="Start it with 'ollama serve', or set OLLAMA_HOST.") from error
        if not {self.model, f"{self.model}:latest"} & {*served}:
            raise SetupError(f"Ollama has {', '.join(served) or 'no models'}.", fix=f"ollama pull {self.model}")
        return "reachable"

    def chat(self, timeout_s: float) -> BaseChatModel:
        require("langchain_ollama", "langchain-ollama", "ollama")
        import httpx
        from langchain_ollama import ChatOllama

        # As `unpooled_client`: a pooled connection breaks a model that several event loops use.
        unpooled = {"timeout": timeout_s, "limits": httpx.Limits(max_keepalive_connections=0)}
        # The address is given, because what a model refuses is remembered by address and name.
        model = ChatOllama(model=self.model, base_url=self.endpoint, num_ctx=CONTEXT_TOKENS, client_kwargs=unpooled)
        return adaptive(model)


def server_address() -> str:
    """Return the address of the server; `OLLAMA_HOST` may leave the scheme out."""
    host = os.environ.get("OLLAMA_HOST") or ADDRESS
    return host if "://" in host else f"http://{host}"
