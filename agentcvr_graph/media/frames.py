"""The frame store: decoded frames as JPEG by key, in memory and on disk.

Every frame passes through it, also the first time, so that a frame looks the same whether it was just decoded or comes
from the cache, and what a model says about it stays the same too.
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
    """JPEG frames by key, in memory and on disk."""

    def __init__(self, disk: DiskCache, memory_bytes: int = MEMORY_BYTES) -> None:
        self._disk = disk
        self._memory: LRUCache[str, bytes] = LRUCache(memory_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str, shift_s: float) -> Frame | None:
        """The frame under a key, marked as cached, in the time of a clip that starts at `shift_s`; or None."""
        with self._lock:
            stored = self._memory.get(key)
        stored = stored or self._disk.get(key)
        if stored is None:
            return None
        self._remember(key, stored)
        return _read(stored, shift_s, cached=True)

    def put(self, key: str, decoded: Decoded, shift_s: float) -> Frame:
        """Keep a frame; the frame as it will always look, in the time of a clip that starts at `shift_s`."""
        stored = _written(decoded)
        self._remember(key, stored)
        self._disk.put(key, stored)
        return _read(stored, shift_s, cached=False)

    def _remember(self, key: str, stored: bytes) -> None:
        if len(stored) <= self._memory.maxsize:
            with self._lock:
                self._memory[key] = stored


def _written(decoded: Decoded) -> bytes:
    """The frame's time in its file, then its JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(decoded.pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return f"{decoded.time_s:.4f}\n".encode() + buffer.getvalue()


def _read(stored: bytes, shift_s: float, *, cached: bool) -> Frame:
    time_text, _, jpeg = stored.partition(b"\n")
    with Image.open(io.BytesIO(jpeg)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    return Frame(time_s=round(float(time_text) - shift_s, 4), pixels=pixels, cached=cached)
