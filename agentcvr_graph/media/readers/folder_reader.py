"""Read a folder of images as a video: the images in natural order at a given frame rate, with optional boxes drawn.

CrossVid's drone views have this form. A box file maps each object to its box in each frame,
`{"xtl": .., "ytl": .., "xbr": .., "ybr": ..}`, or null where the object is not visible. Frames count from 0 in the
folder's order.
Accepted shapes: `{name: {frame: box}}`, `[{"id": name, "bbox": {frame: box}}]`, and either under the key `objects`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw

from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.readers.base import Decoded, PictureInfo

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
COLOURS = ("#ff3b30", "#34c759", "#0a84ff", "#ffd60a", "#ff9f0a", "#bf5af2")
Box = tuple[float, float, float, float]


class FolderReader:
    """A `Reader` over image files.

    Args:
        given: the string that the user gave, for messages.
        max_pixels: the largest picture that is decoded; None for Pillow's own limit.
    """

    def __init__(
        self,
        given: str,
        folder: Path,
        fps: float | None,
        boxes: Path | None,
        labels: Mapping[str, str] | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self._files = sorted((p for p in folder.iterdir() if p.suffix.lower() in ENDINGS), key=_natural)
        if not self._files:
            raise VideoError(given, "the folder holds no images.", fix=f"Allowed endings: {', '.join(ENDINGS)}.")
        if fps is None:
            raise VideoError(
                given, "a folder of images needs a frame rate.", fix="Add '#fps=10', or Video(source=..., fps=10)."
            )
        self._boxes: Mapping[str, dict[int, Box]] = {}
        if boxes:
            self._boxes = labelled(given, read_boxes(given, boxes), labels or {})
        try:
            with Image.open(self._files[0]) as first:
                width, height = first.size
        except Exception as error:  # Pillow raises several kinds for damaged and for oversized pictures
            raise VideoError(given, f"{self._files[0].name} is not an image.", fix="Replace or remove it.") from error
        self._fps = fps
        self._max_pixels = max_pixels or Image.MAX_IMAGE_PIXELS or 0
        self.info = PictureInfo(len(self._files) / fps, fps, width, height)

    def key_times(self) -> Sequence[float]:
        """Return the times of all images: every image is a key frame."""
        return [index / self._fps for index in range(len(self._files))]

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the image on screen at each time."""
        for time_s in times_s:
            index = min(len(self._files) - 1, int(time_s * self._fps + 1e-4))
            yield Decoded(time_s, index / self._fps, self._picture(index, size))

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the image on screen at each time, as `shown_at`."""
        return self.shown_at(times_s, size)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _picture(self, index: int, size: tuple[int, int]) -> Any:
        with Image.open(self._files[index]) as image:
            if image.width * image.height > self._max_pixels > 0:
                name = self._files[index].name
                raise InfrastructureError(f"The picture {name} of {image.width}x{image.height} is too large.")
            scale_x, scale_y = size[0] / image.width, size[1] / image.height
            picture = image.convert("RGB").resize(size, Image.Resampling.BOX)
        drawing = ImageDraw.Draw(picture)
        for number, (name, frames) in enumerate(self._boxes.items()):
            box = frames.get(index)
            if box is not None:
                colour = COLOURS[number % len(COLOURS)]
                left, top, right, bottom = box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y
                drawing.rectangle((left, top, right, bottom), outline=colour, width=2)
                drawing.text((left + 2, max(0.0, top - 12)), name, fill=colour)
        return np.asarray(picture, dtype=np.uint8)


def read_boxes(given: str, path: Path) -> dict[str, dict[int, Box]]:
    """Return object name -> frame index -> (left, top, right, bottom) in pixels of the stored images.

    Raises:
        VideoError: the file is missing or has another shape.
    """
    try:
        stored: Any = json.loads(path.read_text())
        if isinstance(stored, dict):
            stored = cast(dict[str, Any], stored).get("objects", stored)
        if isinstance(stored, list):
            stored = {item["id"]: item["bbox"] for item in cast(list[Any], stored)}
        return {str(name): _frames(frames) for name, frames in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VideoError(
            given,
            f"the box file {path} cannot be used ({type(error).__name__}: {error}).",
            fix='Write it as {"name": {"0": {"xtl": 1, "ytl": 2, "xbr": 3, "ybr": 4}, "1": null}}.',
        ) from error


def labelled(
    given: str, boxes: Mapping[str, dict[int, Box]], labels: Mapping[str, str]
) -> Mapping[str, dict[int, Box]]:
    """Return the boxes of the labelled objects by label; without labels, all boxes by object name.

    Raises:
        VideoError: a label names an object that is not in the box file.
    """
    if unknown := [name for name in labels if name not in boxes]:
        raise VideoError(
            given, f"the box file has no object {unknown[0]!r}.", fix=f"Its objects are: {', '.join(boxes)}."
        )
    return {label: boxes[name] for name, label in labels.items()} if labels else boxes


def _frames(frames: Mapping[str, Any] | Sequence[Any]) -> dict[int, Box]:
    pairs = frames.items() if isinstance(frames, Mapping) else enumerate(frames)
    return {
        int(index): (float(box["xtl"]), float(box["ytl"]), float(box["xbr"]), float(box["ybr"]))
        for index, box in pairs
        if box is not None
    }


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that orders `frame_2` before `frame_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
