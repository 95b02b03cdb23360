"""Small media whose right look is known: four coloured quarters, and a white circle."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

QUARTERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
"""The colours of `quarters`: top left, top right, bottom left, bottom right."""


def quarters(width: int = 320, height: int = 240):
    """Return pixels of four coloured quarters."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for number, colour in enumerate(QUARTERS.values()):
        row, column = divmod(number, 2)
        pixels[row * height // 2 : (row + 1) * height // 2, column * width // 2 : (column + 1) * width // 2] = colour
    return pixels


def layout_of(pixels) -> str:
    """Return the colours of the four quarters of a picture, such as "red green / blue white"."""
    height, width = pixels.shape[:2]
    names = [_colour(pixels[y * height // 4, x * width // 4]) for y in (1, 3) for x in (1, 3)]
    return f"{names[0]} {names[1]} / {names[2]} {names[3]}"


def circle(width: int, height: int, stretch: float = 1.0):
    """Return pixels of a white disc, `stretch` times as wide as high."""
    y, x = np.mgrid[:height, :width]
    radius = 0.35 * min(width / stretch, height)
    inside = np.hypot((x - width / 2) / stretch, y - height / 2) < radius
    return np.repeat(np.where(inside, 235, 16).astype(np.uint8)[..., None], 3, axis=2)


def circle_shape(pixels) -> float:
    """Return the width of the white disc over its height."""
    white = pixels.mean(axis=2) > 128
    return int(white.any(axis=0).sum()) / int(white.any(axis=1).sum())


def encoded(path: Path, pixels, *, seconds: int = 1, fps: int = 10, group: int = 5, matrix=None, aspect=None) -> Path:
    """Encode a still picture as a video, with a display matrix or a pixel aspect ratio in the container.

    Args:
        group: number of pictures from one key frame to the next.
    """
    height, width = pixels.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10", "g": str(group)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(seconds * fps):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def picture(path: Path, pixels, **how) -> Path:
    """Save pixels as a picture file."""
    Image.fromarray(pixels).save(path, **how)
    return path


def _colour(pixel) -> str:
    distances = {name: float(np.abs(pixel.astype(int) - colour).sum()) for name, colour in QUARTERS.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return nearest if distances[nearest] < 150 else f"rgb{tuple(int(value) for value in pixel)}"
