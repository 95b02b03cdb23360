"""Where indexes are stored: one file for each namespace, so that a search never reads what is another user's.

The graph sets the namespace of a run (`searching_in`), which the finder reads; a tool does not know of users.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

MAX_BYTES = 2 * 2**30
"""Size of an index from which the least recently used videos are removed."""
SUFFIX = ".sqlite"
_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_namespace: ContextVar[str] = ContextVar("agentcvr_index_namespace", default="")


@contextmanager
def searching_in(namespace: str) -> Generator[None]:
    """Let searches in this block use the index of a namespace; empty for the one that is shared."""
    before = _namespace.set(namespace)
    try:
        yield
    finally:
        _namespace.reset(before)


def file_in(folder: Path, namespace: str | None = None) -> Path:
    """Return the file of a namespace; None for the namespace of the current run.

    >>> file_in(Path("index"), "anna").name
    'evidence-anna.sqlite'
    """
    name = _namespace.get() if namespace is None else namespace
    if not name:
        return folder / f"evidence{SUFFIX}"
    safe = name if _SAFE.fullmatch(name) else f"x{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return folder / f"evidence-{safe}{SUFFIX}"


def remove_index(file: Path) -> bool:
    """Remove the file of an index, also a damaged one, and what SQLite keeps beside it; return whether it was there."""
    there = file.exists()
    for path in (file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
    return there
