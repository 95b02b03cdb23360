"""Text in a close look: small text is read where it can be, and reported as unreadable where it cannot.

The text detector overlooks small letters in a small picture, and also in a large one, where it looks for large text. So
a picture smaller than `ENLARGED_PX` is enlarged before, and a larger one is searched in `TILES_PX` tiles that overlap;
what lies across tiles is joined. The recogniser answers for letters of any size: of those that are too small, it
guesses some. A small line below `SURE_SCORE` is therefore no reading but unreadable text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import cv2
import numpy as np

from agentcvr_graph.media.types import Pixels
from agentcvr_graph.models.offline.text_engine import (
    MIN_SCORE,
    Box,
    Region,
    Text,
    TextEngine,
    find_regions,
    recognised,
)
from agentcvr_graph.utils.worker_processes import submit_to_worker

ENLARGED_PX = 480
"""Long side to which a smaller picture is enlarged, and that of the largest picture that is searched in one piece."""
TILE_PX = 560
"""Longest side of a tile."""
OVERLAP_PX = 48
"""Width of the strip that neighbouring tiles share."""
SMALL_SHARE = 0.06
"""A box of at most this height, as a share of the picture's long side, may be text that is too small."""
SURE_SCORE = 0.93


class CloseTextEngine(TextEngine):
    """Finds and reads text of all sizes in pictures, in worker processes."""

    version = "close-1"

    def regions(self, pixels: Pixels) -> Future[list[Region]]:
        """Start to find where a picture may have text."""
        return submit_to_worker(find_regions_closely, pixels)

    def text(self, regions: Sequence[Region], pixels: Pixels) -> Future[Text]:
        """Start to read the regions of a picture."""
        return submit_to_worker(read_closely, regions, max(pixels.shape[:2]))


def find_regions_closely(pixels: Pixels) -> list[Region]:
    """Return where a picture may have text, small text too."""
    long_side = max(pixels.shape[:2])
    if long_side < ENLARGED_PX:
        scale = ENLARGED_PX / long_side
        size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        larger = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
        return [_scaled(region, 1 / scale) for region in find_regions(np.asarray(larger, dtype=np.uint8))]
    if long_side <= TILE_PX:
        return find_regions(pixels)
    found = [
        _moved(region, left, top)
        for left, top, right, bottom in tiles(pixels.shape[1], pixels.shape[0])
        for region in find_regions(pixels[top:bottom, left:right])
    ]
    return [_joined(group, pixels) for group in _touching(found)]


def read_closely(regions: Sequence[Region], long_side: int) -> Text:
    """Return the text in regions of one picture, and where text is too small to read."""
    lines: list[str] = []
    unread: list[Box] = []
    for region, text, score in recognised(regions):
        small = region.box[3] - region.box[1] <= SMALL_SHARE * long_side
        if small and score < SURE_SCORE:
            unread += [region.box] if _is_line(region.box) else []
        elif score >= MIN_SCORE and any(character.isalnum() for character in text):  # the edges of a cut look like "_"
            lines.append(text)
    return Text(tuple(lines), tuple(unread))


def tiles(width: int, height: int) -> Iterator[Box]:
    """Yield tiles that cover a picture, in rows from the top."""
    for top, bottom in _parts(height):
        for left, right in _parts(width):
            yield left, top, right, bottom


def _parts(length: int) -> list[tuple[int, int]]:
    """Return equal parts of a length that overlap by `OVERLAP_PX`.

    >>> _parts(1080)
    [(0, 564), (516, 1080)]
    """
    count = max(1, math.ceil((length - OVERLAP_PX) / (TILE_PX - OVERLAP_PX)))
    step = (length - OVERLAP_PX) / count
    return [(round(n * step), round((n + 1) * step + OVERLAP_PX)) for n in range(count)]


def _scaled(region: Region, scale: float) -> Region:
    left, top, right, bottom = (round(edge * scale) for edge in region.box)
    return Region((left, top, right, bottom), region.top * scale, region.picture)


def _moved(region: Region, left: int, top: int) -> Region:
    box = region.box
    return Region((box[0] + left, box[1] + top, box[2] + left, box[3] + top), region.top + top, region.picture)


def _touching(regions: Sequence[Region]) -> list[list[Region]]:
    """Return the regions in groups of those that show parts of one line, which lies across tiles."""
    groups: list[list[Region]] = []
    for region in regions:
        joined = [group for group in groups if any(_same_line(region.box, other.box) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([region, *(other for group in joined for other in group)])
    return groups


def _same_line(one: Box, other: Box) -> bool:
    """Return whether two boxes overlap, by at least half of the lower one's height."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0 and down >= 0.5 * min(one[3] - one[1], other[3] - other[1])


def _joined(group: Sequence[Region], pixels: Pixels) -> Region:
    if len(group) == 1:
        return group[0]
    edges = list(zip(*(region.box for region in group), strict=True))
    left, top, right, bottom = max(0, min(edges[0])), max(0, min(edges[1])), max(edges[2]), max(edges[3])
    part = np.ascontiguousarray(pixels[top:bottom, left:right, ::-1])  # BGR, as the engine cuts
    return Region((left, top, right, bottom), float(top), part)


def _is_line(box: Box) -> bool:
    """Return whether a box is wide enough for a word."""
    return box[2] - box[0] >= 1.5 * (box[3] - box[1])
