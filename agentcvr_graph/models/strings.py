"""Model strings: how a person names a model on the command line, in a form or in code.

    offline                       the models that come with this library (the default)
    tiny                          a small trained master that comes with it too, for its own kind of worlds
    openai:gpt-4o, gpt-4o, ...    anything that LangChain's `init_chat_model` takes
    http://host:8000/v1#model     an OpenAI-compatible server; without `#model` the only model it serves
    transformers:DIR_OR_REPO      a model in this process, from a folder or the Hub

This module reads the string and touches nothing: no import of a model library, no network, no file. `registry.py`
makes models of what it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from agentcvr_graph.errors import SetupError, shown_address
from agentcvr_graph.models.providers.keys import SERVER_KEY

ALLOWED = (
    "'offline', 'tiny', PROVIDER:MODEL (such as 'openai:gpt-4o'), 'http://HOST:PORT/v1#MODEL', "
    "or 'transformers:FOLDER_OR_REPO'"
)
TINY = Path(__file__).parent / "tiny"
"""The checkpoint that `python -m training.recipes.tiny --release` writes."""


@dataclass(frozen=True)
class ModelStrings:
    """Which models a run uses."""

    master: str = "offline"
    vision: str = "offline"
    audio: str = "offline"


@dataclass(frozen=True)
class Offline:
    """The models that come with this library."""


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server by its address."""

    base_url: str
    """Without a slash at the end, as `http://host:8000/v1`."""
    model: str
    """Empty for the only model that the server has."""


@dataclass(frozen=True)
class InProcess:
    """A model of the `transformers` library in this process."""

    source: str
    """A folder, or the name of a repository on the Hub."""


@dataclass(frozen=True)
class Hosted:
    """A model that `init_chat_model` knows how to reach."""

    provider: str
    """Empty when the string leaves it to `init_chat_model` to guess."""
    model: str

    @property
    def spec(self) -> str:
        return f"{self.provider}:{self.model}" if self.provider else self.model


ModelString: TypeAlias = Offline | Server | InProcess | Hosted


def read_model_string(spec: str) -> ModelString:
    """Read a model string.

    Raises:
        SetupError: it has none of the four forms; the message lists them.
    """
    text = spec.strip()
    if text == "offline":
        return Offline()
    if text == "tiny":
        return InProcess(str(TINY))
    if text.startswith(("http://", "https://")):
        return _server(text)
    scheme, colon, rest = text.partition(":")
    if colon and not rest:
        raise unknown(spec, f"it names no model behind {text!r}")
    if scheme == "transformers" and rest:
        return InProcess(rest)
    if scheme == "vllm":
        raise unknown(spec, f"serve it with 'vllm serve {rest}' and give 'http://127.0.0.1:8000/v1'")
    if not text or "://" in text or text[0] in "./~":
        hint = f"for a folder write 'transformers:{text}'" if text[:1] in (".", "/", "~") else ""
        raise unknown(spec, hint)
    return Hosted(scheme, rest) if colon else Hosted("", text)


def unknown(spec: str, hint: str = "") -> SetupError:
    """The one wording for a model string that cannot be used."""
    told = f"Unknown model string {shown_address(spec)!r}{': ' + hint if hint else ''}."
    return SetupError(told, fix=f"Allowed are {ALLOWED}.")


def _server(text: str) -> Server:
    url, _, model = text.partition("#")
    try:
        parts = urlsplit(url)
    except ValueError:  # such as half an IPv6 address
        raise unknown(text, "it is no address") from None
    if not parts.hostname:
        raise unknown(text, "the address has no host")
    if "@" in parts.netloc or parts.query:
        # A model string is printed, stored with a run, and told to who may choose it.
        raise SetupError(
            f"The address {shown_address(text)!r} of a model holds a user, a password or a query.",
            fix=f"Leave them out, and set {SERVER_KEY} to the key.",
        )
    if parts.path.strip("/") == "":
        raise unknown(text, f"an OpenAI-compatible server answers below a path, as '{url.rstrip('/')}/v1'")
    return Server(url.rstrip("/"), model)
