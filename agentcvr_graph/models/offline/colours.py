"""Dominant colours by name: each pixel gets the name of the nearest palette colour in CIE Lab."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from agentcvr_graph.media.types import Pixels
from agentcvr_graph.models.offline.palette import PALETTE

LAB_WEIGHTS = np.array([0.6, 1.5, 1.5])
"""Hue counts more than lightness, as in the names that people give to colours."""
MIN_SHARE = 0.12
"""Smallest share of the picture at which a colour is named."""
MAX_NAMES = 3


def dominant_colours(pixels: Pixels) -> tuple[str, ...]:
    """Return the names of at most three colours that each cover `MIN_SHARE` of the picture, the largest first."""
    small = cv2.resize(pixels, (64, 36), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 1, 3).astype(np.int32)  # (pixels, 1, 3)
    distances = (((lab - _palette_lab()) * LAB_WEIGHTS) ** 2).sum(axis=2)  # (pixels, colours)
    shares = np.bincount(distances.argmin(axis=1), minlength=len(PALETTE)) / len(distances)
    names = list(PALETTE)
    ranked = sorted(range(len(names)), key=lambda index: -shares[index])
    return tuple(names[index] for index in ranked[:MAX_NAMES] if shares[index] >= MIN_SHARE)


@functools.cache
def _palette_lab() -> NDArray[np.int32]:
    colours = np.array([list(PALETTE.values())], dtype=np.uint8)  # (1, colours, 3)
    return cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.int32)
