"""Change from one frame to the next: a cut, a movement with its direction, or none."""

from __future__ import annotations

import math
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
_GROUND_PX = 41
"""Width of the median that leaves the ground of a small picture without the small things on it."""


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
    across, down = _jump(old, new, moved) or _flow(old, new, moved)
    if max(abs(across), abs(down)) < 0.5:
        return "something moves"
    if abs(across) >= abs(down):
        return f"something moves to the {'right' if across > 0 else 'left'}"
    return f"something moves {'down' if down > 0 else 'up'}"


def _flow(old: Pixels, new: Pixels, moved: np.ndarray) -> tuple[float, float]:
    """Return the median shift of the changed pixels: across and down, in pixels of the small picture."""
    flow = cv2.calcOpticalFlowFarneback(old, new, np.zeros((*old.shape, 2), np.float32), 0.5, 4, 21, 3, 7, 1.5, 0)
    return float(np.median(flow[..., 0][moved])), float(np.median(flow[..., 1][moved]))


def _jump(old: Pixels, new: Pixels, moved: np.ndarray) -> tuple[float, float] | None:
    """Return the shift of one small thing that left its place, or None where what changed is no such thing.

    Between its old and its new place the ground moves the other way as well as the thing does, and optical flow cannot
    tell which of the two moved. What stands out from the ground around it did.
    """
    gained = (_standing_out(new) - _standing_out(old))[moved]
    places = np.argwhere(moved)[:, ::-1]  # (N, 2): across, down
    left, came = np.maximum(-gained, 0), np.maximum(gained, 0)
    if min(left.sum(), came.sum()) <= 0.5 * max(left.sum(), came.sum()):
        return None  # such as a title that appears
    (start, start_px), (end, end_px) = _spot(places, left), _spot(places, came)
    across, down = map(float, end - start)
    return (across, down) if math.hypot(across, down) > start_px + end_px else None


def _standing_out(picture: Pixels) -> np.ndarray:
    return cv2.absdiff(picture, cv2.medianBlur(picture, _GROUND_PX)).astype(np.float64)


def _spot(places: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weighted centre of places of shape (N, 2), and their root mean square distance from it."""
    centre = np.average(places, axis=0, weights=weights)
    return centre, float(np.sqrt(np.average(((places - centre) ** 2).sum(axis=1), weights=weights)))
