"""Folders that are costly to make, kept on disk for every test, worker and later session.

A folder is made once for each key, which is a hash of the files and values that it depends on; another key makes
another folder, so nothing is ever stale. A file lock makes the other workers wait for the first one. What is kept is
read only by agreement: a test that writes works on a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

VARIABLE = "AGENTCVR_TEST_CACHE"
"""Folder of the cache; `tests/conftest.py` sets it where the user has not."""
KEPT = 3
"""Keys that are kept of one name; older ones are deleted."""
ROOT = Path(__file__).resolve().parents[2]


def cached_folder(name: str, depends_on: Iterable[Path | str], make: Callable[[Path], object]) -> Path:
    """Return the folder that `make` fills, made now if it is not in the cache.

    Args:
        name: what it is, for a reader of the cache.
        depends_on: files, folders of Python files, and values; the content of all makes the key.
        make: fills an empty folder.
    """
    cache = Path(os.environ[VARIABLE])
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{_key(depends_on)}"
    with FileLock(cache / f"{name}.lock"):
        if not folder.is_dir():
            unfinished = cache / f"{folder.name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
            _delete_old(cache, name)
    return folder


def copy_of(folder: Path, target: Path) -> Path:
    """Copy a kept folder, for a test that writes into it."""
    return Path(shutil.copytree(folder, target, dirs_exist_ok=True))


def _key(depends_on: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for part in depends_on:
        for data in _contents(part) if isinstance(part, Path) else [part.encode()]:
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _contents(path: Path) -> list[bytes]:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() for file in files]


def _delete_old(cache: Path, name: str) -> None:
    """Keep the newest keys of a name; those of names that begin with it are left."""
    made = [path for path in cache.glob(f"{name}-*") if len(path.name) == len(name) + 17 and path.is_dir()]
    for path in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
