"""On-screen text, read by RapidOCR with the models in its wheel."""

from __future__ import annotations

import json
import threading
from typing import Any

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.types import Frame

VERSION = "rapidocr-3/480"
"""Part of every cache key, because other models or settings give other text."""
MIN_SCORE = 0.6
# Frames have a height of 360 px. RapidOCR's default enlarges them to 736 px, which costs five times as much and read no
# line better in our measurements.
_SETTINGS = {"Global.log_level": "critical", "Det.limit_type": "max", "Det.limit_side_len": 480}


class TextReader:
    """Reads the text of frames, one at a time, and stores the results in `cache`."""

    def __init__(self, cache: DiskCache | None = None) -> None:
        self._cache = cache
        self._engine: Any = None
        self._lock = threading.Lock()

    def read(self, frame: Frame, content_id: str) -> tuple[str, ...]:
        """Return the lines of text in a frame, from top to bottom, with single spaces between words."""
        key = f"{VERSION}|{content_id}|{frame.time_s:.4f}|{frame.pixels.shape}"
        stored = self._cache.get(key) if self._cache else None
        if stored is not None:
            return tuple(json.loads(stored))
        lines = self._recognise(frame)
        if self._cache:
            self._cache.put(key, json.dumps(lines).encode())
        return lines

    def _recognise(self, frame: Frame) -> tuple[str, ...]:
        with self._lock:
            if self._engine is None:
                from rapidocr import RapidOCR

                self._engine = RapidOCR(params=_SETTINGS)
            found = self._engine(frame.pixels[:, :, ::-1], use_cls=False)  # it expects BGR
        if found.txts is None:
            return ()
        rows = sorted(zip(found.boxes, found.txts, found.scores, strict=True), key=lambda row: row[0][0][1] // 12)
        return tuple(" ".join(text.split()) for _, text, score in rows if score >= MIN_SCORE and text.strip())
