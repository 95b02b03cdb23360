"""On-screen text of a series of frames, each text read once while it does not change.

Text regions are found in every frame, because a new text may be small and anywhere. Reading them costs more, and is
left out where the regions lie and look as in the frame that was read last: that frame, and not the neighbour, is
compared, so that a slow change adds up. Two regions look the same if they differ, smoothed over 3 by 3 pixels, by less
than a change of the faintest stroke in them would; encoders leave less behind.

Frames are worked on by all cores at the same time, in worker processes; the result does not depend on the order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.types import Frame, Pixels
from agentcvr_graph.models.offline.close_text import CloseTextEngine
from agentcvr_graph.models.offline.text_engine import Box, Region, Text, TextEngine
from agentcvr_graph.types import Zoom

VERSION = "rapidocr-3.1"
"""Part of every cache key, because other models or settings give other text."""
BOX_REACH_PX = 4
"""Farthest that the edges of an unchanged region move from frame to frame."""
MOST_NOISE = 16.0
"""Largest difference of smoothed unchanged pixels, of 255, where the contrast is full."""
NOISE_SHARE = 0.12
"""Largest difference as a share of the contrast of a region."""
NO_TEXT = Text(())
T = TypeVar("T")


@dataclass
class _Reading:
    """What is known of a frame whose text is not stored yet."""

    frame: Frame
    regions: Sequence[Region] = ()
    like: _Reading | None = None
    """The earlier frame that shows the same text."""
    text: Text = NO_TEXT

    @property
    def boxes(self) -> list[Box]:
        return [region.box for region in self.regions]


class TextReader:
    """Reads the text of frames, and stores the results in `cache`.

    Args:
        engine: the engine of a look without zoom.
        close: the engine of a look with zoom, which also says where text cannot be read.
    """

    def __init__(
        self, cache: DiskCache | None = None, engine: TextEngine | None = None, close: TextEngine | None = None
    ) -> None:
        self._cache = cache
        self._engine = engine or TextEngine()
        self._close = close or CloseTextEngine()

    def read(self, frames: Sequence[Frame], content_id: str, zoom: Zoom | None = None) -> list[Text]:
        """Return the text of each frame.

        Args:
            frames: in order of time, of one video.
            zoom: the part of the picture that they show; None for a look that knows no zoom.
        """
        engine = self._engine if zoom is None else self._close
        prefix = f"{VERSION}|{engine.version}|{content_id}|{zoom.region if zoom else ''}"
        stored = [self._stored(frame, prefix) for frame in frames]
        fresh = [_Reading(frame) for frame, text in zip(frames, stored, strict=True) if text is None]
        found = _all([engine.regions(reading.frame.pixels) for reading in fresh])
        for reading, regions in zip(fresh, found, strict=True):
            reading.regions = regions
        _link(fresh)
        to_read = [reading for reading in fresh if reading.like is None]
        read = _all([engine.text(reading.regions, reading.frame.pixels) for reading in to_read])
        for reading, text in zip(to_read, read, strict=True):
            reading.text = text
        for reading in fresh:
            reading.text = reading.like.text if reading.like else reading.text
            self._store(reading, prefix)
        new = iter(fresh)
        return [next(new).text if text is None else text for text in stored]

    def _stored(self, frame: Frame, prefix: str) -> Text | None:
        stored = self._cache.get(_key(frame, prefix)) if self._cache else None
        if stored is None:
            return None
        lines, unread = json.loads(stored)
        return Text(tuple(lines), tuple((left, top, right, bottom) for left, top, right, bottom in unread))

    def _store(self, reading: _Reading, prefix: str) -> None:
        if self._cache:
            self._cache.put(_key(reading.frame, prefix), json.dumps(reading.text).encode())


def same_regions(one: Pixels, regions: Sequence[Box], other: Pixels, others: Sequence[Box]) -> bool:
    """Return whether two pictures have text regions in the same places that look the same."""
    if one.shape != other.shape or len(regions) != len(others):
        return False
    pairs = list(zip(regions, others, strict=True))
    near = all(abs(a - b) <= BOX_REACH_PX for pair in pairs for a, b in zip(*pair, strict=True))
    return near and all(_looks_same(one, other, _union(*pair)) for pair in pairs)


def _key(frame: Frame, prefix: str) -> str:
    return f"{prefix}|{frame.time_s:.4f}|{frame.pixels.shape}"


def _link(readings: Sequence[_Reading]) -> None:
    """Link each frame whose text is that of the frame that is read last before it."""
    read: _Reading | None = None
    for reading in readings:
        if read and same_regions(read.frame.pixels, read.boxes, reading.frame.pixels, reading.boxes):
            reading.like = read
        else:
            read = reading


def _looks_same(one: Pixels, other: Pixels, box: Box) -> bool:
    left, top, right, bottom = box
    first, second = (picture[max(0, top) : bottom, max(0, left) : right] for picture in (one, other))
    contrast = float(first.max()) - float(first.min())
    return _difference(first, second) <= min(MOST_NOISE, NOISE_SHARE * contrast)


def _difference(one: Pixels, other: Pixels) -> float:
    """Return the largest difference of two pictures, smoothed over 3 by 3 pixels."""
    difference = cv2.subtract(one, other, dtype=cv2.CV_32F)
    return float(np.abs(cv2.blur(difference, (3, 3))).max())


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _all(futures: Sequence[Future[T]]) -> list[T]:
    """Return the results. If one fails, those that have not begun never do."""
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
