"""A disk cache of small byte strings by key, with a size limit. Stores frames, transcripts and recognised text.

Several processes may share one folder: writes go to a temporary file and are renamed, reads verify a checksum, and a
damaged or deleted entry counts as a miss. The least recently used entries are evicted first. Nothing is unpickled.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import threading
from pathlib import Path

import platformdirs

from agentcvr_graph.utils.files import atomic_write_bytes

DECODING = 3
"""The version of everything that turns files into frames, sound and words. It is part of every content id, and so of
the key of every frame, transcript and observation: raise it when the decoding changes, and nothing older is used."""
logger = logging.getLogger(__name__)
_DIGEST_BYTES = 16
_CHECKED = "00"
"""The folder's size is checked when the hash of a key starts like this: one write in 256, which also holds over many
short processes."""
_LARGE_SHARE = 256
"""The size is also checked after a write of more than this part of the limit: few large entries would exceed it."""


def default_cache_dir() -> Path:
    """Return `AGENTCVR_CACHE_DIR`, or else the user's cache folder."""
    given = os.environ.get("AGENTCVR_CACHE_DIR")
    return Path(given) if given else platformdirs.user_cache_path("agentcvr")


class DiskCache:
    """A cache of bytes by key in `folder`, of about `max_bytes` at most."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._evicting = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return the bytes stored under a key, or None."""
        path = self._path(key)
        try:
            stored = path.read_bytes()
            os.utime(path)  # record the time of last use, which orders the eviction
        except OSError:
            return None
        digest, value = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        return value if _digest(value) == digest else None

    def put(self, key: str, value: bytes) -> None:
        """Store bytes under a key. A full or read-only disk only costs speed, so it is one warning and no error."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(path, _digest(value) + value, flush_to_disk=False)  # `get` checks what it reads
        except OSError as error:
            _warn(str(self._folder.parent), error.strerror or str(error))
            return
        if path.parent.name == _CHECKED or len(value) > self._max_bytes // _LARGE_SHARE:
            evict(self._folder, self._max_bytes, self._evicting)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]


def evict(folder: Path, max_bytes: int, lock: threading.Lock, *, spared: Path | None = None) -> None:
    """Remove the least recently used files below `folder` until they fit into `max_bytes`; never remove `spared`."""
    if not lock.acquire(blocking=False):
        return
    try:
        files = [(stat.st_mtime, stat.st_size, path) for path in folder.rglob("*") if (stat := _stat(path))]
        excess = sum(size for _, size, _ in files) - max_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            if path != spared:
                path.unlink(missing_ok=True)
                excess -= size
    finally:
        lock.release()


def leave_warnings_to_parent() -> None:
    """Log no warnings in this process: its parent has caches in the same folder, and logs them once."""
    logger.disabled = True


@functools.cache
def _warn(folder: str, reason: str) -> None:
    """Log once for each folder of caches and reason that nothing can be stored."""
    logger.warning("The cache %s cannot be written (%s), so work is not kept for the next question.", folder, reason)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat() if path.is_file() else None
    except OSError:  # another process removed it first
        return None


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
