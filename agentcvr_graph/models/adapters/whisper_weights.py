"""Find and fetch the weights of Whisper models in the format of CTranslate2.

A model is a size (`base`), a repository of the Hugging Face Hub (`OWNER/NAME`), or a folder. Sizes and repositories lie
in the cache of the Hub, which other programs share. `find` looks there and never uses the network; only `fetch`
downloads, and only `agentcvr setup` calls it.
"""

from __future__ import annotations

import errno
import importlib.util
from pathlib import Path
from typing import Any, cast

from agentcvr_graph.errors import SetupError
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.models.clients.extras import require

SIZES_OF_AUTO = ("small", "base", "tiny")
"""The sizes that `auto` uses if their weights are there, best first. Larger ones are too slow without a GPU."""
_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
_WEIGHTS = "model.bin"
_OF_DISK = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS)
NETWORK = "Check the network and the name, or copy a model folder here and write 'whisper:FOLDER'."
DISK = "Free space on that disk, or set HF_HOME to a folder that can be written."


def find(source: str) -> Path:
    """Return the folder with the weights of a model.

    Raises:
        SetupError: the weights are not on this computer, or there is no such model or folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _checked(folder.resolve())
    if (found := _cached(repository(source))) is None:
        raise SetupError(
            f"The weights of 'whisper:{source}' are not on this computer.",
            fix=f"Download them once with: agentcvr setup --audio whisper:{source}",
        )
    return found


def available() -> str:
    """Return the best size for `auto` whose weights are on this computer, or ""; import no model library."""
    if importlib.util.find_spec("faster_whisper") is None or importlib.util.find_spec("huggingface_hub") is None:
        return ""
    return next((size for size in SIZES_OF_AUTO if _cached(f"Systran/faster-whisper-{size}")), "")


def is_here(source: str) -> bool:
    """Return whether the weights of a model are on this computer.

    Raises:
        SetupError: there is no such model.
    """
    return Path(source).expanduser().is_dir() or _cached(repository(source)) is not None


def fetch(source: str) -> Path:
    """Download the weights of a model with a progress bar, unless they are there, and return their folder.

    Raises:
        SetupError: there is no such model, or the download failed.
    """
    if is_here(source):
        return find(source)
    import huggingface_hub

    try:
        return Path(cast(Any, huggingface_hub).snapshot_download(repository(source), allow_patterns=list(_FILES)))
    except Exception as error:  # the Hub's client, its HTTP client and the disk raise their own errors
        raise SetupError(
            f"The weights of 'whisper:{source}' could not be downloaded: {one_line(str(error))}",
            fix=DISK if isinstance(error, OSError) and error.errno in _OF_DISK else NETWORK,
        ) from error


def repository(source: str) -> str:
    """Return the repository of a size, or a repository unchanged.

    Raises:
        SetupError: neither a size, nor the form of a repository.
    """
    known = _repositories()
    if source in known:
        return known[source]
    if source[0] in "./~" or source.count("/") != 1:
        raise SetupError(
            f"There is no Whisper model {source!r}.",
            fix=f"Give a folder, a repository as OWNER/NAME, or a size: {', '.join(sorted(known))}.",
        )
    return source


def _repositories() -> dict[str, str]:
    require("faster_whisper", "faster-whisper", "live")
    from faster_whisper import utils

    return cast(dict[str, str], vars(utils)["_MODELS"])  # its public function leaves the repositories out


def _cached(repository: str) -> Path | None:
    """Return the folder of a repository in the cache of the Hub, if it has all weights."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repository, _WEIGHTS)
    return Path(found).parent if isinstance(found, str) else None


def _checked(folder: Path) -> Path:
    """Return a folder that holds a model.

    Raises:
        SetupError: it does not.
    """
    if not (folder / _WEIGHTS).is_file() or not (folder / "config.json").is_file():
        raise SetupError(
            f"The folder {folder} holds no {_WEIGHTS} and config.json.",
            fix="Give the folder of a Whisper model that was converted for CTranslate2 (faster-whisper).",
        )
    return folder
