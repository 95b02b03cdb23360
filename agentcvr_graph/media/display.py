"""Show a stored picture as a player does: turned and mirrored upright, with square pixels, padded and never squeezed.

Readers call `shown_size` once for a file and `shown_pixels` for every frame. A display matrix may hold any angle; the
nearest of the eight ways to turn and mirror a picture by quarters is used. Pixels that are not square are stretched in
their longer direction, so no detail is lost. A picture of another shape than the video (a stream that changes its size,
a folder of mixed pictures) is scaled to fit and centred on black.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from agentcvr_graph.media.types import Pixels

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_MOST_STRETCHED = 16
"""A pixel aspect ratio above this, or below its inverse, is taken for damage and ignored."""
_HDR = (16, 18)
"""FFmpeg's numbers of the transfer functions PQ (SMPTE 2084) and HLG."""
_SAME_SHAPE_PX = 2
"""A picture that fits the video up to this many pixels is scaled to the video's size, without bars."""


@dataclass(frozen=True)
class Turn:
    """One of the eight ways to show a stored picture: mirrored left to right or not, then turned by quarters."""

    mirrored: bool = False
    quarters: int = 0
    """Quarter turns counter-clockwise, 0 to 3."""

    @property
    def sideways(self) -> bool:
        """Return whether width and height are exchanged."""
        return self.quarters % 2 == 1

    def applied(self, pixels: Pixels) -> Pixels:
        """Return the pixels as they are shown."""
        straight = pixels[:, ::-1] if self.mirrored else pixels
        return np.ascontiguousarray(np.rot90(straight, self.quarters))

    def matrix(self) -> tuple[int, int, int, int]:
        """Return a, b, c, d of the map (x, y) -> (a x + c y, b x + d y), with y pointing down."""
        flip = -1 if self.mirrored else 1
        a, b, c, d = [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)][self.quarters]
        return a * flip, b * flip, c, d


UPRIGHT = Turn()
TURNS = tuple(Turn(mirrored, quarters) for mirrored in (False, True) for quarters in range(4))


def turn_of(frame: VideoFrame) -> Turn | None:
    """Return how a decoded frame is shown: the way nearest to its display matrix; None if it has none."""
    from av.sidedata.sidedata import Type

    stored: Any = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
    return None if stored is None else nearest_turn(np.frombuffer(bytes(stored), dtype=np.int32).tolist())


def nearest_turn(display_matrix: list[int]) -> Turn:
    """Return the turn nearest to FFmpeg's display matrix of nine numbers; upright for one that is all zeros."""
    a, b, _, c, d = display_matrix[:5]
    return max(TURNS, key=lambda turn: sum(x * y for x, y in zip(turn.matrix(), (a, b, c, d), strict=True)))


def caution(frame: VideoFrame) -> str:
    """Return in what the frame differs from what a player shows: its colours, if they have a high dynamic range."""
    return "the picture is HDR, and its colours look paler than they are" if frame.color_trc in _HDR else ""


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Return the width of the stream's pixels over their height; 1 if it is unknown or absurd."""
    ratio = stream.sample_aspect_ratio
    if ratio is None or not Fraction(1, _MOST_STRETCHED) <= ratio <= _MOST_STRETCHED:
        return Fraction(1)
    return ratio


def shown_size(width: int, height: int, aspect: Fraction = Fraction(1), turn: Turn = UPRIGHT) -> tuple[int, int]:
    """Return the size at which a stored picture is shown, in square pixels.

    >>> shown_size(720, 576, Fraction(64, 45))
    (1024, 576)
    """
    across, down = round(width * max(aspect, 1)), round(height / min(aspect, 1))
    return (down, across) if turn.sideways else (across, down)


def shown_pixels(
    frame: VideoFrame, size: tuple[int, int], aspect: Fraction = Fraction(1), turn: Turn = UPRIGHT
) -> Pixels:
    """Return a decoded frame as it is shown, scaled and padded to `size` (width, height)."""
    fitted = fitted_size(shown_size(frame.width, frame.height, aspect, turn), size)
    width, height = fitted[::-1] if turn.sideways else fitted
    pixels: Any = frame.to_ndarray(width=width, height=height, format="rgb24", interpolation="BILINEAR")
    return padded(turn.applied(pixels), size)


def fitted_size(own: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of the shape of `own` inside `size`; `size` itself if the shapes differ by rounding."""
    scale = min(size[0] / own[0], size[1] / own[1])
    width, height = max(1, round(own[0] * scale)), max(1, round(own[1] * scale))
    near = size[0] - width <= _SAME_SHAPE_PX and size[1] - height <= _SAME_SHAPE_PX
    return size if near else (width, height)


def padded(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the pixels centred on black of `size` (width, height)."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    canvas = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas
