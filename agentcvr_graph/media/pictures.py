"""Read a picture file as a viewer shows it: upright by its EXIF orientation, in 8-bit RGB, scaled and padded to a size.

Transparent parts show white, as paper does. Pictures of more than 8 bits keep their range: 16-bit white is white.
Animated pictures show their first frame. Only the formats in `_FORMATS` are opened, whatever the file's name says: some
of Pillow's other readers start programs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from agentcvr_graph.media.display import UPRIGHT, Turn, fitted_size, padded, shown_size
from agentcvr_graph.media.types import Pixels

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA")
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
)
UNREAD_ENDINGS = (
    *(".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw"),
    *(".psd", ".svg", ".exr", ".hdr", ".eps", ".xcf"),
)
"""Endings of pictures that cannot be read here, unless the file holds another format than its name says."""
_TURNS = {
    2: Turn(True, 0),
    3: Turn(False, 2),
    4: Turn(True, 2),
    5: Turn(True, 1),
    6: Turn(False, 3),
    7: Turn(True, 3),
    8: Turn(False, 1),
}
"""How each EXIF orientation is shown; 1 is upright."""
_PAPER = (255, 255, 255, 255)


class UnreadablePictureError(Exception):
    """Raised with the reason why a picture file cannot be shown."""


def picture_size(path: Path) -> tuple[int, int]:
    """Return the size at which a picture is shown. Reads its header only, where the format allows it.

    Raises:
        UnreadablePictureError: it is no picture in a format that can be read.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            # Pillow turns a TIFF by itself, and its header already has the size that is shown.
            return image.size if image.format == "TIFF" else shown_size(*image.size, turn=_turn(image))
    except Exception as error:  # Pillow raises several kinds for damaged and for oversized pictures
        raise UnreadablePictureError("it cannot be read as a picture") from error


def read_picture(
    path: Path, size: tuple[int, int], max_pixels: int
) -> tuple[Pixels, tuple[float, float, float, float]]:
    """Return a picture as it is shown in `size` (width, height), and the box of `size` that it fills.

    Args:
        max_pixels: the largest picture that is decoded; 0 for any.

    Raises:
        UnreadablePictureError: it cannot be read, or is too large.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > max_pixels > 0:
                raise UnreadablePictureError(f"its {image.width}x{image.height} pixels are too many")
            image.load()
            turn = _turn(image)
            fitted = fitted_size(shown_size(*image.size, turn=turn), size)
            stored = (fitted[1], fitted[0]) if turn.sideways else fitted
            small = _in_rgb(image).resize(stored, Image.Resampling.BOX)
    except UnreadablePictureError:
        raise
    except Exception as error:  # Pillow raises several kinds for damaged and for oversized pictures
        raise UnreadablePictureError("it cannot be read as a picture") from error
    left, top = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    pixels = padded(turn.applied(np.asarray(small, dtype=np.uint8)), size)
    return pixels, (left, top, left + fitted[0], top + fitted[1])


def _turn(image: Image.Image) -> Turn:
    return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1), UPRIGHT)


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_in_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, _PAPER), shown).convert("RGB")
    return image.convert("RGB")


def _in_8_bits(values: Any) -> Pixels:
    """Return grey values of 16 or 32 bits, or fractions, in 8 bits.

    16-bit values keep their range. Other values are scaled by the smallest usual range that holds them all: 0 to 1 for
    fractions, 255, 65,535, or else from their least to their greatest.
    """
    full = 65535.0
    grey = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    if values.dtype.itemsize != 2:
        least, most = float(grey.min()), float(grey.max())
        whole = np.issubdtype(values.dtype, np.integer)
        ranges = [limit for limit in ((255.0, 65535.0) if whole else (1.0, 255.0, 65535.0)) if most <= limit]
        if least < 0 or not ranges:
            grey, ranges = grey - least, [max(most - least, 1e-9)]
        full = ranges[0]
    return np.clip(np.rint(grey * (255.0 / full)), 0, 255).astype(np.uint8)
