"""The frame store: decoded frames as JPEG by key, in memory and on disk.

Every frame is encoded once, also on its first use. A fresh and a cached frame therefore have the same pixels, and a
model's reply does not depend on the cache. The frames of views are stored as large as any view can show them, and each
view is cut out of them: so looks at several parts of one moment decode it once.
"""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import numpy as np
from cachetools import LRUCache
from PIL import Image

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.readers.base import Decoded, scaled_size
from agentcvr_graph.media.types import Frame, Pixels
from agentcvr_graph.views import HIGH_PX, View, crop_px

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


class Shelf:
    """The frames of one video in the store, at the size that a view needs.

    Args:
        pictures_id: identifies the pictures of the video.
        normal_px: the long side of a frame without a view.
        view: what is cut out of each frame; None for the whole picture at `normal_px`.
    """

    def __init__(self, store: FrameStore, pictures_id: str, normal_px: int, view: View | None) -> None:
        self._store, self._pictures_id, self._view = store, pictures_id, view
        self.long_side_px = normal_px if view is None else 2 * max(HIGH_PX, view.long_side_px)
        self.keeps_others = view is None
        """Whether to store frames that were decoded on the way to others: large ones would take too much room."""

    def get(self, time_s: float, key_frame: bool, shift_s: float) -> Frame | None:
        """Return the frame that is stored for a time of the file, or None."""
        frame = self._store.get(self._key(time_s, key_frame), shift_s)
        return None if frame is None else self._cut(frame)

    def put(self, decoded: Decoded, key_frame: bool, shift_s: float) -> Frame:
        """Store a frame, and return it as `get` will."""
        return self._cut(self._store.put(self._key(decoded.requested_s, key_frame), decoded, shift_s))

    def _key(self, time_s: float, key_frame: bool) -> str:
        return f"{self._pictures_id}|{time_s:.3f}|{'key' if key_frame else 'exact'}|{self.long_side_px}"

    def _cut(self, frame: Frame) -> Frame:
        return frame if self._view is None else replace(frame, pixels=cut_out(frame.pixels, self._view))


def cut_out(pixels: Pixels, view: View) -> Pixels:
    """Return the part of a picture that a view shows, scaled down to its size."""
    left, top, right, bottom = crop_px(view.region, pixels.shape[1], pixels.shape[0])
    part = pixels[top:bottom, left:right]
    if max(part.shape[:2]) <= view.long_side_px:
        return np.ascontiguousarray(part)
    size = scaled_size(part.shape[1], part.shape[0], view.long_side_px)
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


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
