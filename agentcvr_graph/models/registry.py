"""Model strings to models: the only place that knows which class stands behind which form of string.

Model libraries are imported here, when a string asks for them, and never before: the library runs offline without any
of them. Building a model reads no weights and, except for a server whose model is not named, uses no network; but it
imports libraries, so on an event loop call it in a thread.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.providers.hosted import hosted_chat, no_key, require
from agentcvr_graph.models.providers.keys import missing_key, server_key
from agentcvr_graph.models.providers.servers import only_model, unpooled_client
from agentcvr_graph.models.strings import TINY, Hosted, InProcess, Offline, Server, read_model_string

if TYPE_CHECKING:
    from agentcvr_graph.models.base import AudioModel, VisionModel

TIMEOUT_S = 120.0
"""Longest single call of a model; clients do not retry, the graph does."""
TEXT_CACHE_BYTES = 2**27
OPENAI_URL = "https://api.openai.com/v1"
ALLOWED_AUDIO = "'offline', 'openai:whisper-1', 'http://HOST:PORT/v1#MODEL', or 'transformers:FOLDER_OR_REPO'"


def resolve_chat_model(spec: str = "offline", *, timeout_s: float = TIMEOUT_S) -> BaseChatModel:
    """The chat model that a model string names.

    Raises:
        SetupError: unknown string, missing package, missing key, missing folder, or a server that cannot be asked.
    """
    match read_model_string(spec):
        case Offline():
            from agentcvr_graph.models.offline.master import OfflineMaster

            return OfflineMaster()
        case Server() as server:
            return _served_chat(server, timeout_s)
        case InProcess(source):
            return _chat_in_process(checked_source(source), timeout_s)
        case Hosted() as hosted:
            return hosted_chat(hosted, timeout_s)


def resolve_vision(
    spec: str = "offline", *, timeout_s: float = TIMEOUT_S, model: BaseChatModel | None = None
) -> VisionModel:
    """The eyes that a model string names: the offline ones, or any chat model that takes images.

    Args:
        model: the chat model that the string names, where the caller has it already.

    Raises:
        SetupError: as `resolve_chat_model`.
    """
    require("PIL", "pillow", "live")
    if isinstance(read_model_string(spec), Offline):
        from agentcvr_graph.media.cache import DiskCache, default_cache_dir
        from agentcvr_graph.models.offline.vision import OfflineVision

        return OfflineVision(DiskCache(default_cache_dir() / "on_screen_text", TEXT_CACHE_BYTES))
    from agentcvr_graph.models.providers.chat_vision import ChatVision

    return ChatVision(model or resolve_chat_model(spec, timeout_s=timeout_s), name=cache_name(spec))


def resolve_audio(spec: str = "offline", *, timeout_s: float = TIMEOUT_S) -> AudioModel:
    """The ears that a model string names: the offline ones, a transcription endpoint, or Whisper in this process.

    Raises:
        SetupError: as `resolve_chat_model`; and for a hosted provider other than OpenAI, which has no such endpoint.
    """
    require("numpy", "numpy", "live")
    from agentcvr_graph.models.subtitles_first import SubtitlesFirst

    match read_model_string(spec):
        case Offline():
            from agentcvr_graph.models.offline.audio import OfflineAudio

            return OfflineAudio()
        case Server() as server:
            from agentcvr_graph.models.providers.transcription import TranscriptionEndpoint

            model = only_model(server)
            return SubtitlesFirst(
                TranscriptionEndpoint(server.base_url, model, api_key=server_key(), timeout_s=timeout_s)
            )
        case InProcess(source):
            folder = checked_source(source)
            _require_transformers()
            from agentcvr_graph.models.providers.transformers_asr import TransformersTranscriber

            return SubtitlesFirst(TransformersTranscriber(folder, name=cache_name(spec)))
        case Hosted() as hosted:
            return SubtitlesFirst(_hosted_transcriber(hosted, spec, timeout_s))


def checked_source(source: str) -> str:
    """A folder with a model in it, or a repository's name as it was given.

    Raises:
        SetupError: it is written like a folder and is not one, or the folder holds no `config.json`.
    """
    folder = Path(source).expanduser()
    if folder == TINY and not folder.is_dir():
        raise SetupError(
            "The master 'tiny' is not trained yet.", fix="Train it: python -m training.recipes.tiny --release"
        )
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise SetupError(
                f"The folder {source} holds no config.json.",
                fix="Give the folder that save_pretrained wrote.",
            )
        return str(folder.resolve())
    if source[0] in "./~" or folder.exists() or source.count("/") != 1:
        raise SetupError(
            f"There is no model folder {source}.",
            fix="Give an existing folder, or a repository as OWNER/NAME.",
        )
    return source


def cache_name(spec: str) -> str:
    """The name under which a model's words are cached: names the model, and for a folder the state it is in.

    Raises:
        SetupError: as `resolve_chat_model`.
    """
    match read_model_string(spec):
        case Server() as server:
            return f"{server.base_url}#{only_model(server)}"
        case InProcess(source):
            folder = Path(checked_source(source))
            return f"transformers:{folder}@{_state(folder)}" if folder.is_dir() else spec
        case _:
            return spec


def _state(folder: Path) -> str:
    """Changes when a file of the folder does, as after another epoch of training."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.iterdir())]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:6]


def _served_chat(server: Server, timeout_s: float) -> BaseChatModel:
    require("langchain_openai", "langchain-openai", "openai")
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=only_model(server),
        base_url=server.base_url,
        api_key=SecretStr(server_key()),
        timeout=timeout_s,
        max_retries=0,
        http_async_client=unpooled_client(timeout_s),
        use_responses_api=False,
    )


def _chat_in_process(source: str, timeout_s: float) -> BaseChatModel:
    _require_transformers()
    from agentcvr_graph.models.providers.transformers_chat import TransformersChat

    return TransformersChat(source=source, max_time_s=timeout_s)


def _require_transformers() -> None:
    require("torch", "torch", "transformers")
    require("transformers", "transformers", "transformers")


def _hosted_transcriber(hosted: Hosted, spec: str, timeout_s: float) -> AudioModel:
    from agentcvr_graph.models.providers.transcription import TranscriptionEndpoint

    if hosted.provider != "openai":
        raise SetupError(
            f"No transcription is known for {spec!r}.",
            fix=f"Allowed are {ALLOWED_AUDIO}.",
        )
    if key := missing_key("openai"):
        raise no_key(spec, key)
    return TranscriptionEndpoint(
        os.environ.get("OPENAI_BASE_URL", OPENAI_URL).rstrip("/"),
        hosted.model,
        api_key=os.environ["OPENAI_API_KEY"],
        key_variable="OPENAI_API_KEY",
        name=spec,
        timeout_s=timeout_s,
    )
