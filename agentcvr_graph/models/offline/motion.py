"""Change from one frame to the next: a cut, a movement with its direction, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from agentcvr_graph.media.sampling import DIRECTION_GAP_S
from agentcvr_graph.media.types import Frame, Pixels

CUT_CORRELATION = 0.75
"""Two frames whose colour histograms correlate less than this belong to different shots."""
STILL_SHARE = 0.004
"""Largest share of changed pixels at which a picture counts as still."""
_CHANGED = 24
_SIZE = (160, 90)


@dataclass(frozen=True)
class Change:
    """The change from one frame to the next."""

    cut: bool
    motion: str
    """`still`, `something moves`, or with a direction `something moves to the right`; empty across a cut."""


@dataclass(frozen=True)
class Difference:
    """How much two frames differ."""

    cut: bool
    share: float
    """Share of the pixels of a small picture that changed."""


class Sketch(NamedTuple):
    """What is compared of a frame; made once, because a frame has two neighbours."""

    time_s: float
    grey: Pixels
    """Small grey picture, 90 x 160."""
    histogram: np.ndarray
    """Counts of hue, saturation and brightness, 8 x 4 x 4."""


def sketch_of(frame: Frame) -> Sketch:
    """Return what is compared of a frame."""
    hsv = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2HSV)
    histogram = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256])
    grey = cv2.cvtColor(cv2.resize(frame.pixels, _SIZE), cv2.COLOR_RGB2GRAY)
    return Sketch(frame.time_s, np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), dtype=np.uint8), histogram)


def difference(before: Sketch, after: Sketch) -> Difference:
    """Return how much two frames differ, without the direction of a movement, which takes longer to find."""
    cut = _is_cut(before, after)
    return Difference(cut, 1.0 if cut else float(_changed(before, after).mean()))


def change_between(before: Sketch, after: Sketch) -> Change:
    """Compare two neighbouring frames."""
    if _is_cut(before, after):
        return Change(cut=True, motion="")
    moved = _changed(before, after)
    if moved.mean() <= STILL_SHARE:
        return Change(cut=False, motion="still")
    if after.time_s - before.time_s > DIRECTION_GAP_S:
        return Change(cut=False, motion="something moves")
    return Change(cut=False, motion=_direction(before.grey, after.grey, moved))


def _is_cut(before: Sketch, after: Sketch) -> bool:
    return cv2.compareHist(before.histogram, after.histogram, cv2.HISTCMP_CORREL) < CUT_CORRELATION


def _changed(before: Sketch, after: Sketch) -> np.ndarray:
    return cv2.absdiff(before.grey, after.grey) > _CHANGED


def _direction(old: Pixels, new: Pixels, moved: np.ndarray) -> str:
    flow = cv2.calcOpticalFlowFarneback(old, new, np.zeros((*old.shape, 2), np.float32), 0.5, 4, 21, 3, 7, 1.5, 0)
    across, down = (float(np.median(flow[..., axis][moved])) for axis in (0, 1))
    if max(abs(across), abs(down)) < 0.5:
        return "something moves"
    if abs(across) >= abs(down):
        return f"something moves to the {'right' if across > 0 else 'left'}"
    return f"something moves {'down' if down > 0 else 'up'}"
