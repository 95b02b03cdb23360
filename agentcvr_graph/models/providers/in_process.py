"""`transformers:FOLDER_OR_REPO`: a model of the `transformers` library in this process; also one GGUF file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import BaseModel, Field, StrictInt, ValidationError

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.extras import require
from agentcvr_graph.models.providers.base import Provider, behind
from agentcvr_graph.models.strings import GGUF

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentcvr_graph.models.base import AudioModel

SCHEME = "transformers:"
CONFIG = "config.json"
TRAINED_WITH = "agentcvr"
"""Key of a model's `CONFIG` under which training states `TrainedWith`."""
SAVE_AGAIN = "Save the model again with save_pretrained."


class TrainedWith(BaseModel):
    """Settings of the training that a master needs later, named as in `CVRContext`."""

    max_turns: Annotated[StrictInt, Field(ge=1)] | None = None
    """Turns that the brief stated, the answer included."""


@dataclass(frozen=True)
class InProcess(Provider):
    """A chat model, a vision-language model or a Whisper-class model."""

    source: str
    """A folder, a GGUF file, or the name of a repository on the Hub."""

    form = "'transformers:FOLDER_OR_REPO'"
    audio_form = "'transformers:FOLDER_OR_REPO'"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        source = behind(SCHEME, text)
        return None if source is None else cls(source)

    @property
    def spec(self) -> str:
        return f"{SCHEME}{self.source}"

    def found(self) -> str:
        """Return the absolute path of the model's folder or file, or the name of its repository.

        Raises:
            SetupError: there is no such folder or file.
        """
        return checked_source(self.source)

    def cache_name(self) -> str:
        """Return the model string; for what is on this computer the absolute path and a digest of its files."""
        found = Path(self.found())
        return f"{SCHEME}{found}@{digest_of(found)}" if found.exists() else self.spec

    def check(self) -> str:
        folder = Path(self.found())
        if folder.is_file():
            return f"loaded from {folder}"
        if not folder.is_dir():
            return "loaded from the Hugging Face cache, or downloaded at the first call"
        return f"{_kind_of(folder)} in {folder}"

    def trained_turns(self) -> int | None:
        return trained_turns(Path(self.source).expanduser())

    def chat(self, timeout_s: float) -> BaseChatModel:
        source = self.found()
        _require_transformers()
        from agentcvr_graph.models.adapters.transformers_chat import TransformersChat

        return TransformersChat(source=source, max_time_s=timeout_s, trained_turns=self.trained_turns())

    def audio(self, timeout_s: float) -> AudioModel:
        source = self.found()
        _require_transformers()
        from agentcvr_graph.models.adapters.transformers_asr import TransformersTranscriber
        from agentcvr_graph.models.subtitles_first import SubtitlesFirst

        return SubtitlesFirst(TransformersTranscriber(source, name=self.cache_name()))


def trained_turns(folder: Path) -> int | None:
    """Return the number of turns that a model was trained with; None if its folder does not state it.

    Raises:
        SetupError: what the folder states is not a number of turns.
    """
    if not (folder / CONFIG).is_file():
        return None
    try:
        return TrainedWith.model_validate(_config_of(folder).get(TRAINED_WITH, {})).max_turns
    except ValidationError as error:
        raise SetupError(
            f"{folder / CONFIG} has a key {TRAINED_WITH!r} that training does not write.",
            fix=f'Write "{TRAINED_WITH}": {{"max_turns": 6}}, with a whole number of at least 1, or remove it.',
        ) from error


def checked_source(source: str) -> str:
    """Return the absolute path of a model folder or a GGUF file, or the name of a repository unchanged.

    Raises:
        SetupError: the source looks like a folder but is not one, or the folder holds no `config.json`.
    """
    folder = Path(source).expanduser()
    if folder.is_file() and folder.suffix == GGUF:
        return str(folder.resolve())
    if folder.is_dir():
        if not (folder / CONFIG).is_file():
            raise SetupError(
                f"The folder {source} holds no {CONFIG}.",
                fix="Give the folder that save_pretrained wrote.",
            )
        return str(folder.resolve())
    if source[0] in "./~" or folder.exists() or source.count("/") != 1:
        raise SetupError(
            f"There is no model folder {source}.",
            fix="Give an existing folder, a .gguf file, or a repository as OWNER/NAME.",
        )
    return source


def _kind_of(folder: Path) -> str:
    """Return the kind of a saved model.

    Raises:
        SetupError: its configuration cannot be read, or there are no weights.
    """
    config = _config_of(folder)
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise SetupError(f"{folder} holds no weights.", fix=SAVE_AGAIN)
    return str(config.get("model_type", "model"))


def _config_of(folder: Path) -> dict[str, Any]:
    """Return the configuration of a saved model.

    Raises:
        SetupError: it cannot be read.
    """
    try:
        return cast(dict[str, Any], json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except ValueError as error:
        raise SetupError(f"{folder / CONFIG} is not JSON.", fix=SAVE_AGAIN) from error


def digest_of(source: Path) -> str:
    """Return a digest that changes with a file, or with the files of a folder."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:6]


def _require_transformers() -> None:
    require("torch", "torch", "transformers")
    require("transformers", "transformers", "transformers")
