"""The model providers, and the functions that turn a model string into a model.

    offline                       the models that come with this library (the default)
    tiny                          a small trained master for three kinds of questions about tours, also included
    http://host:8000/v1#model     an OpenAI-compatible server; without `#model` the only model it serves
    ollama:NAME                   a model that Ollama serves
    transformers:DIR_OR_REPO      a model in this process, from a folder or the Hub
    auto                          for speech: Whisper if its weights are there, else offline
    whisper:SIZE_OR_FOLDER        a Whisper model in this process, for speech
    openai:gpt-4o, gpt-4o, ...    anything that LangChain's `init_chat_model` takes

Reading a string imports no model library and uses no network and no file. Resolving one imports the libraries that it
needs. If the string names a server but no model, resolving also requests the server's list of models, so on an event
loop resolve in a thread. No weights are loaded before the first call.
"""

from __future__ import annotations

import difflib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.providers.auto import Auto
from agentcvr_graph.models.providers.base import ModelStringError, Provider, unknown
from agentcvr_graph.models.providers.hosted import Hosted
from agentcvr_graph.models.providers.in_process import InProcess
from agentcvr_graph.models.providers.offline import Offline
from agentcvr_graph.models.providers.ollama import Ollama
from agentcvr_graph.models.providers.server import Server
from agentcvr_graph.models.providers.tiny import Tiny
from agentcvr_graph.models.providers.whisper import Whisper

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel, VisionModel

PROVIDERS: list[type[Provider]] = [
    Offline,
    Tiny,
    Server,
    Ollama,
    InProcess,
    Whisper,
    Auto,
    Hosted,  # last, because it takes every name that no other provider takes
]
TYPO_SIMILARITY = 0.75
"""Similarity to the name of another provider from which a hosted model's name counts as misspelled."""
OFFLINE_CONCURRENCY = 2
"""Jobs at a time if no model is behind an endpoint; the offline models use all cores already."""
TIMEOUT_S = 120.0
"""Longest single call of a model, in seconds; clients do not retry, the graph does."""


def default_concurrency(specs: Iterable[str], per_endpoint: int) -> int:
    """Return how many jobs with these models run at a time: `per_endpoint` if a model is behind an endpoint."""
    remote = any(read_model_string(spec).endpoint for spec in specs)
    return per_endpoint if remote else OFFLINE_CONCURRENCY


def read_model_string(spec: str) -> Provider:
    """Return the model that a string names, as its provider reads it.

    Raises:
        SetupError: no provider reads it; the message lists the forms that they read.
    """
    with _naming_the_allowed([provider.form for provider in PROVIDERS]):
        text = str(spec).strip()  # a caller without types may pass None
        for provider in PROVIDERS:
            if (found := provider.parse(text)) is not None:
                return _not_misspelled(found)
        raise unknown(spec)


def resolve_chat_model(spec: str = "offline", *, timeout_s: float = TIMEOUT_S) -> BaseChatModel:
    """Return the chat model that a model string names.

    Raises:
        SetupError: unknown string, missing package, missing key, missing folder, or a server that does not answer.
    """
    model = read_model_string(spec)
    with _naming_the_allowed([provider.form for provider in PROVIDERS]):
        return model.chat(timeout_s)


def resolve_vision(
    spec: str = "offline", *, timeout_s: float = TIMEOUT_S, model: BaseChatModel | None = None
) -> VisionModel:
    """Return the vision model that a model string names: the offline one, or any chat model that takes images.

    Args:
        model: the chat model that the string names, where the caller has it already.

    Raises:
        SetupError: as `resolve_chat_model`.
    """
    require("PIL", "pillow", "live")
    found = read_model_string(spec)
    with _naming_the_allowed([provider.form for provider in PROVIDERS]):
        return found.vision(timeout_s, model)


def resolve_audio(spec: str = "offline", *, timeout_s: float = TIMEOUT_S) -> AudioModel:
    """Return the audio model that a model string names: the offline one, an endpoint, or Whisper in this process.

    Raises:
        SetupError: as `resolve_chat_model`; and for a provider that has no audio models.
    """
    require("numpy", "numpy", "live")
    model = read_model_string(spec)
    with _naming_the_allowed([provider.audio_form for provider in PROVIDERS if provider.audio_form]):
        return model.audio(timeout_s)


def _not_misspelled(found: Provider) -> Provider:
    """Return the model, unless the last provider took what is almost the only name of another.

    Raises:
        ModelStringError: it did.
    """
    names = [provider.name for provider in PROVIDERS if provider.name]
    close = difflib.get_close_matches(found.spec.lower(), names, n=1, cutoff=TYPO_SIMILARITY)
    if close and isinstance(found, Hosted):
        raise unknown(found.spec, f"did you mean {close[0]!r}?")
    return found


@contextmanager
def _naming_the_allowed(forms: list[str]) -> Generator[None]:
    """Turn a provider's error about a model string into a `SetupError` that lists the allowed forms."""
    try:
        yield
    except ModelStringError as error:
        allowed = f"{', '.join(forms[:-1])}, or {forms[-1]}"
        raise SetupError(str(error), fix=f"Allowed are {allowed}.") from error.__cause__
