"""The text recognition engine, RapidOCR with the models in its wheel: detect text regions, and read them.

Each thread has an engine of its own that computes in this thread alone. Two engines side by side read twice as many
frames as one engine with two threads, for half the processor time.
"""

from __future__ import annotations

import threading
from typing import Any

from agentcvr_graph.media.types import Pixels

MIN_SCORE = 0.6
# Frames have a height of 360 px. RapidOCR's default enlarges them to 736 px, which costs five times as much and read no
# line better in our measurements.
_SETTINGS = {
    "Global.log_level": "critical",
    "Det.limit_type": "max",
    "Det.limit_side_len": 480,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
}
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a text region, in pixels."""


class TextEngine:
    """Finds and reads text in pictures."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def regions(self, pixels: Pixels) -> list[Box]:
        """Return where a picture may have text."""
        found = self._run(pixels, use_rec=False)
        return [] if found is None or found.boxes is None else [_box(corners) for corners in found.boxes]

    def lines(self, pixels: Pixels) -> tuple[str, ...]:
        """Return the lines of text in a picture, from top to bottom, with single spaces between words."""
        found = self._run(pixels, use_rec=True)
        if found is None or found.txts is None:
            return ()
        rows = sorted(zip(found.boxes, found.txts, found.scores, strict=True), key=lambda row: row[0][0][1] // 12)
        return tuple(" ".join(text.split()) for _, text, score in rows if score >= MIN_SCORE and text.strip())

    def _run(self, pixels: Pixels, *, use_rec: bool) -> Any:
        if not hasattr(self._of_thread, "engine"):
            from rapidocr import RapidOCR

            self._of_thread.engine = RapidOCR(params=_SETTINGS)
        engine = self._of_thread.engine
        return engine(pixels[:, :, ::-1], use_cls=False, use_rec=use_rec)  # it expects BGR


def _box(corners: Any) -> Box:
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return int(left), int(top), int(right) + 1, int(bottom) + 1
