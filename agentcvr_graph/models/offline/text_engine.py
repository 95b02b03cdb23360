"""The text recognition engine, RapidOCR with the models in its wheel: find text regions, and read them.

`TextEngine` calls the functions below in worker processes. Each engine computes on one core. Two engines side by side
read twice as many frames as one engine with two threads, for half the processor time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agentcvr_graph.media.types import Pixels
from agentcvr_graph.utils.worker_processes import submit_to_worker

MIN_SCORE = 0.6
# Frames have a height of 360 px. RapidOCR's default enlarges them to 736 px, which costs five times as much and read no
# line better in our measurements.
_SETTINGS = {
    "Global.log_level": "critical",
    "Det.limit_type": "max",
    "Det.limit_side_len": 480,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
}
_loading = threading.Lock()
"""Held while an engine loads: threads that import the library for the first time at the same time may fail."""
_of_thread = threading.local()
"""Holds the engine of each thread; a worker process has one thread."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a text region, in pixels."""


@dataclass(frozen=True)
class Region:
    """A part of a picture that may be a line of text."""

    box: Box
    top: float
    """Where its first corner is, by which lines are put in order."""
    picture: Pixels
    """The part alone, made straight, BGR."""


class Text(NamedTuple):
    """The text of a picture."""

    lines: tuple[str, ...]
    """The lines that were read, from top to bottom."""
    unread: tuple[Box, ...] = ()
    """Where there is text that cannot be read, as far as the engine says so."""


class TextEngine:
    """Finds and reads text in pictures, in worker processes."""

    version = "480"
    """Part of every cache key."""

    def regions(self, pixels: Pixels) -> Future[list[Region]]:
        """Start to find where a picture may have text."""
        return submit_to_worker(find_regions, pixels)

    def text(self, regions: Sequence[Region], pixels: Pixels) -> Future[Text]:
        """Start to read the regions of a picture."""
        return submit_to_worker(read_text, regions)


def load() -> None:
    """Load the engine and its models."""
    find_regions(np.zeros((64, 64, 3), np.uint8))
    _engine().recognize_txt([np.zeros((32, 64, 3), np.uint8)])


def find_regions(pixels: Pixels) -> list[Region]:
    """Return where a picture may have text."""
    from rapidocr.main import RapidOCRError
    from rapidocr.utils.process_img import map_boxes_to_original

    engine = _engine()
    picture, changes = engine.preprocess_img(engine.load_img(pixels[:, :, ::-1]))  # it expects BGR
    try:
        parts, found = engine.detect_and_crop(picture, changes)
    except RapidOCRError:  # there is none
        return []
    corners = map_boxes_to_original(found.boxes, changes, *pixels.shape[:2])
    return [Region(_box(four), float(four[0][1]), part) for four, part in zip(corners, parts, strict=True)]


def read_text(regions: Sequence[Region]) -> Text:
    """Return the lines of text in regions of one picture, from top to bottom, with single spaces between words."""
    return Text(tuple(text for _, text, score in recognised(regions) if score >= MIN_SCORE and text))


def recognised(regions: Sequence[Region]) -> list[tuple[Region, str, float]]:
    """Return the text and the score of each region of one picture, from top to bottom."""
    if not regions:
        return []
    read = _engine().recognize_txt([region.picture for region in regions])
    rows = sorted(zip(regions, read.txts, read.scores, strict=True), key=lambda row: row[0].top // 12)
    return [(region, " ".join(text.split()), float(score)) for region, text, score in rows]


def _engine() -> Any:
    if not hasattr(_of_thread, "engine"):
        _of_thread.engine = _new_engine()
    return _of_thread.engine


def _new_engine() -> Any:
    with _loading:
        from rapidocr import RapidOCR

        return RapidOCR(params=_SETTINGS)


def _box(corners: Any) -> Box:
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return int(left), int(top), int(right) + 1, int(bottom) + 1
