"""Where indexes are stored: one file for each namespace, so that a search never reads what is another user's.

The graph sets the namespace of a run and its store (`searching_in`), which the finder reads; a tool knows of neither.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

MAX_BYTES = 2 * 2**30
"""Size of an index from which the least recently used videos are removed, where no other was chosen."""
SUFFIX = ".sqlite"
_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Place(NamedTuple):
    """Where a run searches."""

    namespace: str = ""
    """Empty for the one that is shared."""
    store: BaseStore | None = None
    """The store of the graph, which may hold the index instead of a file."""


_place: ContextVar[Place | None] = ContextVar("agentcvr_index_place", default=None)


@contextmanager
def searching_in(namespace: str, store: BaseStore | None = None) -> Generator[None]:
    """Let searches in this block use the index of a namespace."""
    before = _place.set(Place(namespace, store))
    try:
        yield
    finally:
        _place.reset(before)


def current_place() -> Place:
    """Return where the current run searches."""
    return _place.get() or Place()


def file_in(folder: Path, namespace: str | None = None) -> Path:
    """Return the file of a namespace; None for the namespace of the current run.

    >>> file_in(Path("index"), "anna").name
    'evidence-anna.sqlite'
    """
    name = current_place().namespace if namespace is None else namespace
    return folder / (f"evidence-{label(name)}{SUFFIX}" if name else f"evidence{SUFFIX}")


def label(namespace: str) -> str:
    """Return a namespace as a part of a file name or of a store's namespace: itself if it is plain, else a digest."""
    return namespace if _SAFE.fullmatch(namespace) else f"x{hashlib.sha256(namespace.encode()).hexdigest()[:32]}"


def remove_index(file: Path) -> bool:
    """Remove the file of an index, also a damaged one, and what SQLite keeps beside it; return whether it was there."""
    there = file.exists()
    for path in (file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
    return there
