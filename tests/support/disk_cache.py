"""Disk cache for folders that are expensive to make, shared by all tests, workers and later sessions.

A folder is made once per key. The key is a hash of the files and values that the folder depends on, so no folder is
stale. A file lock makes the other workers wait for the first one. By convention cached folders are read-only: a test
that writes works on a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

VARIABLE = "AGENTCVR_TEST_CACHE"
"""Environment variable with the folder of the cache; `tests/conftest.py` sets it if the user has not."""
KEPT = 3
"""Number of keys kept per name; older ones are deleted."""
KEY_LENGTH = 16
ROOT = Path(__file__).resolve().parents[2]


def cached_folder(name: str, depends_on: Iterable[Path | str], make: Callable[[Path], object]) -> Path:
    """Return the folder that `make` fills; call `make` if the folder is not in the cache.

    Args:
        name: descriptive name of the folder, without a dot.
        depends_on: files, folders of Python files, and values; their contents determine the key.
        make: fills an empty folder.
    """
    cache = Path(os.environ[VARIABLE])
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{_key(depends_on)}"
    finished = cache / f"{folder.name}.finished"
    with FileLock(cache / f"{name}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left by a session that was killed while it made the folder
            folder.mkdir()
            make(folder)
            finished.touch()
            _delete_old(cache, name)
    return folder


def _key(depends_on: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for part in depends_on:
        for data in _contents(part) if isinstance(part, Path) else [part.encode()]:
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:KEY_LENGTH]


def _contents(path: Path) -> list[bytes]:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() for file in files]


def _delete_old(cache: Path, name: str) -> None:
    """Delete all but the newest `KEPT` keys of a name."""
    made = [path for path in cache.glob(f"{name}-*.finished") if len(path.stem) == len(name) + 1 + KEY_LENGTH]
    for path in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        path.unlink()
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
