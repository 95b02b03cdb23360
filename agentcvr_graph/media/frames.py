"""The frame store: decoded frames as JPEG by key, in memory and on disk.

Every frame is encoded once, also on its first use. A fresh and a cached frame therefore have the same pixels, and a
model's reply does not depend on the cache.
"""

from __future__ import annotations

import io
import threading

import numpy as np
from cachetools import LRUCache
from PIL import Image

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.readers.base import Decoded
from agentcvr_graph.media.types import Frame

_JPEG_QUALITY = 92
MEMORY_BYTES = 64 * 2**20


class FrameStore:
    """A store of JPEG frames by key, in memory and on disk."""

    def __init__(self, disk: DiskCache, memory_bytes: int = MEMORY_BYTES) -> None:
        self._disk = disk
        self._memory: LRUCache[str, bytes] = LRUCache(memory_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str, shift_s: float) -> Frame | None:
        """Return the frame under a key, marked as cached, or None. Its time is that in the file minus `shift_s`."""
        with self._lock:
            stored = self._memory.get(key)
        stored = stored or self._disk.get(key)
        if stored is None:
            return None
        self._remember(key, stored)
        return _read(stored, shift_s, cached=True)

    def put(self, key: str, decoded: Decoded, shift_s: float) -> Frame:
        """Store a frame; return it as it reads back from the store. Its time is that in the file minus `shift_s`."""
        stored = _written(decoded)
        self._remember(key, stored)
        self._disk.put(key, stored)
        return _read(stored, shift_s, cached=False)

    def _remember(self, key: str, stored: bytes) -> None:
        if len(stored) <= self._memory.maxsize:
            with self._lock:
                self._memory[key] = stored


def _written(decoded: Decoded) -> bytes:
    """Return the frame's time in its file, a newline, then its JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(decoded.pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return f"{decoded.time_s:.4f}\n".encode() + buffer.getvalue()


def _read(stored: bytes, shift_s: float, *, cached: bool) -> Frame:
    time_text, _, jpeg = stored.partition(b"\n")
    with Image.open(io.BytesIO(jpeg)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    return Frame(time_s=round(float(time_text) - shift_s, 4), pixels=pixels, cached=cached)
