"""Views of a picture: which part is shown, how large, and what a frame of it costs. Pure arithmetic.

A picture is shown as a player displays it: upright and with square pixels. A region is half as wide and half as high as
the picture, and neighbouring regions overlap by half, so what is smaller than a quarter of the picture lies wholly in
at least one of them. A view is scaled down to `NORMAL_PX` or `HIGH_PX` on its long side and is never enlarged.

The price of a frame is its number of pixels over that of the whole picture at normal detail, rounded up:

    price = ceil(pixels of the view / pixels of the whole picture at normal detail)

Of a 1920x1080 video: 1 for a region at normal detail, 9 for the whole picture at high detail, 8 for a region at high
detail. The price depends on the size of the video alone, so it is the same in live and swap mode.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from agentcvr_graph.types import REGIONS, Region, Zoom

NORMAL_PX = 360
"""Long side of a view at normal detail, in pixels."""
HIGH_PX = 1080
"""Long side of a view at high detail, in pixels."""

NO_REGION: Region = ""


class Box(NamedTuple):
    """A part of the picture, as shares of its width and height from its left and upper edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def holds(self, other: Box) -> bool:
        """Return whether another box lies in this one."""
        inside = self.left <= other.left and self.top <= other.top
        return inside and other.right <= self.right and other.bottom <= self.bottom


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class View(NamedTuple):
    """A part of the picture and the pixels of its long side."""

    region: Region = ""
    long_side_px: int = NORMAL_PX


def view_of(zoom: Zoom, normal_px: int = NORMAL_PX) -> View:
    """Return the view of a zoom.

    Args:
        normal_px: the long side at normal detail that a media library was set to.
    """
    return View(zoom.region, max(HIGH_PX, normal_px) if zoom.detail == "high" else normal_px)


def box_of(region: Region) -> Box:
    """Return the part of the picture that a region names.

    >>> box_of("top left")
    Box(left=0.0, top=0.0, right=0.5, bottom=0.5)
    >>> box_of("right")
    Box(left=0.5, top=0.25, right=1.0, bottom=0.75)
    """
    if not region:
        return WHOLE
    words = region.split()
    top = 0.0 if "top" in words else 0.5 if "bottom" in words else 0.25
    left = 0.0 if "left" in words else 0.5 if "right" in words else 0.25
    return Box(left, top, left + 0.5, top + 0.5)


def region_around(box: Box) -> Region:
    """Return the region that shows a part of the picture best; empty if none shows all of it.

    >>> region_around(Box(0.8, 0.1, 0.95, 0.12))
    'top right'
    """
    best, nearest = NO_REGION, math.inf
    for region in REGIONS:
        part = box_of(region)
        distance = math.dist(part.centre, box.centre)
        if part.holds(box) and distance < nearest:
            best, nearest = region, distance
    return best


def crop_px(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the pixels of a region, (left, top, right, bottom)."""
    left, top, right, bottom = box_of(region)
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


def scale_of(zoom: Zoom, width: int, height: int) -> float:
    """Return how large a pixel of the video is shown, at most 1."""
    return float(_scale(zoom, width, height))


def frame_price(zoom: Zoom, width: int, height: int) -> int:
    """Return how many frames one frame of a video of that size costs.

    >>> [frame_price(Zoom(region=r, detail=d), 1920, 1080) for r in ("", "top") for d in ("normal", "high")]
    [1, 9, 1, 8]
    """
    area = Fraction(1, 4) if zoom.region else 1
    ratio = _scale(zoom, width, height) / _scale(Zoom(), width, height)
    return max(1, math.ceil(area * ratio**2))


def _scale(zoom: Zoom, width: int, height: int) -> Fraction:
    long_side = Fraction(max(width, height, 1), 2 if zoom.region else 1)
    return min(Fraction(1), view_of(zoom).long_side_px / long_side)
