"""Read a folder of images as a video: the images in natural order at a given frame rate, with optional boxes drawn.

Hidden files (also the companions `._name` of other systems), folders and files of other kinds are no images. Images in
a format that cannot be read are left out, with a note. An image that turns out to be damaged keeps its time: the one
before it is shown, with a note. The video has the size that most images have; others are scaled to fit and padded.

CrossVid's drone views have this form. A box file maps each object to its box in each frame,
`{"xtl": .., "ytl": .., "xbr": .., "ybr": ..}`, or null where the object is not visible. Frames count from 0 in the
folder's order.
Accepted shapes: `{name: {frame: box}}`, `[{"id": name, "bbox": {frame: box}}]`, and either under the key `objects`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw

from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.pictures import ENDINGS, UNREAD_ENDINGS, UnreadablePictureError, picture_size, read_picture
from agentcvr_graph.media.readers.base import Decoded, PictureInfo
from agentcvr_graph.media.types import Note, Pixels
from agentcvr_graph.utils.natural_order import natural

COLOURS = ("#ff3b30", "#34c759", "#0a84ff", "#ffd60a", "#ff9f0a", "#bf5af2")
_SAMPLED = 16
"""Number of images, spread over the folder, whose headers decide the size of the video."""
_NAMED = 3
"""Number of files that a note names."""
Box = tuple[float, float, float, float]


class FolderReader:
    """A `Reader` over image files.

    Args:
        given: the string that the user gave, for messages.
        max_pixels: the largest picture that is decoded; None for Pillow's own limit.
        report: called with a note for each image that cannot be read.
    """

    def __init__(
        self,
        given: str,
        folder: Path,
        fps: float | None,
        boxes: Path | None,
        labels: Mapping[str, str] | None = None,
        max_pixels: int | None = None,
        report: Callable[[Note], None] = lambda note: None,
    ) -> None:
        self._files, unread = list_images(folder)
        if not self._files:
            what = f"none of its images can be read ({_named(unread)})" if unread else "the folder holds no images"
            raise VideoError(given, f"{what}.", fix=f"Allowed endings: {', '.join(ENDINGS)}.")
        if fps is None:
            raise VideoError(
                given, "a folder of images needs a frame rate.", fix="Add '#fps=10', or Video(source=..., fps=10)."
            )
        self._boxes: Mapping[str, dict[int, Box]] = {}
        if boxes:
            self._boxes = labelled(given, read_boxes(given, boxes), labels or {})
        self._fps = fps
        self._max_pixels = max_pixels or Image.MAX_IMAGE_PIXELS or 0
        self._report = report
        self._unreadable: dict[int, str] = {}
        width, height = self._usual_size(given)
        self.info = PictureInfo(len(self._files) / fps, fps, width, height)
        self.notes = _left_out(unread, self.info.duration_s)
        """What was found in the folder beside the images."""

    def key_times(self) -> Sequence[float]:
        """Return the times of all images: every image is a key frame."""
        return [index / self._fps for index in range(len(self._files))]

    def shown_at(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the image on screen at each time."""
        for time_s in times_s:
            index, pixels = self._readable(min(len(self._files) - 1, int(time_s * self._fps + 1e-4)), size)
            yield Decoded(time_s, index / self._fps, pixels)

    def key_frames(self, times_s: Sequence[float], size: tuple[int, int]) -> Iterator[Decoded]:
        """Yield the image on screen at each time, as `shown_at`."""
        return self.shown_at(times_s, size)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _usual_size(self, given: str) -> tuple[int, int]:
        """Return the size that most of the sampled images have, the first of several."""
        step = max(1, len(self._files) // _SAMPLED)
        sizes = [size for file in self._files[::step] if (size := _size_of(file))]
        sizes = sizes or [size for file in self._files if (size := _size_of(file))][:1]
        if not sizes:
            raise VideoError(
                given, f"none of its images can be read ({_named(self._files)}).", fix="Replace or remove them."
            )
        return max(Counter(sizes).items(), key=lambda counted: counted[1])[0]

    def _readable(self, index: int, size: tuple[int, int]) -> tuple[int, Pixels]:
        """Return the image on screen, or the nearest that can be read: earlier ones first."""
        for other in (*range(index, -1, -1), *range(index + 1, len(self._files))):
            if other not in self._unreadable:
                try:
                    return other, self._picture(other, size)
                except UnreadablePictureError as error:
                    self._unreadable[other] = f"{self._files[other].name}: {error}"
                    self._tell(other, error)
        raise InfrastructureError(f"No image can be read. {self._unreadable[index]}.")

    def _tell(self, index: int, error: UnreadablePictureError) -> None:
        start_s, end_s = index / self._fps, (index + 1) / self._fps
        said = f"{self._files[index].name} is left out: {error}; another is shown instead"
        self._report(Note(start_s, end_s, said, "visual"))

    def _picture(self, index: int, size: tuple[int, int]) -> Pixels:
        pixels, (left, top, right, bottom) = read_picture(self._files[index], size, self._max_pixels)
        frames = [(name, box) for name, frames in self._boxes.items() if (box := frames.get(index)) is not None]
        if not frames:
            return pixels
        width, height = picture_size(self._files[index])
        scale_x, scale_y = (right - left) / width, (bottom - top) / height
        picture = Image.fromarray(pixels)
        drawing, numbers = ImageDraw.Draw(picture), {name: number for number, name in enumerate(self._boxes)}
        for name, (x0, y0, x1, y1) in frames:
            colour = COLOURS[numbers[name] % len(COLOURS)]
            x0, y0, x1, y1 = left + x0 * scale_x, top + y0 * scale_y, left + x1 * scale_x, top + y1 * scale_y
            drawing.rectangle((x0, y0, x1, y1), outline=colour, width=2)
            drawing.text((x0 + 2, max(0.0, y0 - 12)), name, fill=colour)
        return np.asarray(picture, dtype=np.uint8)


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images of a folder in natural order, and those in a format that cannot be read."""
    with os.scandir(folder) as entries:
        files = sorted(
            (Path(e.path) for e in entries if not e.name.startswith(".") and e.is_file()),
            key=lambda file: natural(file.name),
        )
    named = [file for file in files if file.suffix.lower() in (*ENDINGS, *UNREAD_ENDINGS)]
    unread = [file for file in named if file.suffix.lower() in UNREAD_ENDINGS and _size_of(file) is None]
    left_out = set(unread)
    return [file for file in named if file not in left_out], unread


def read_boxes(given: str, path: Path) -> dict[str, dict[int, Box]]:
    """Return object name -> frame index -> (left, top, right, bottom) in pixels of the images as they are shown.

    Raises:
        VideoError: the file is missing or has another shape.
    """
    try:
        stored: Any = json.loads(path.read_bytes())
        if isinstance(stored, dict):
            stored = cast(dict[str, Any], stored).get("objects", stored)
        if isinstance(stored, list):
            stored = {item["id"]: item["bbox"] for item in cast(list[Any], stored)}
        return {str(name): _frames(frames) for name, frames in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error  # without the path
        raise VideoError(
            given,
            f"the box file {path.name} cannot be used ({type(error).__name__}: {why}).",
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


def _size_of(file: Path) -> tuple[int, int] | None:
    try:
        return picture_size(file)
    except UnreadablePictureError:
        return None


def _left_out(unread: Sequence[Path], duration_s: float) -> tuple[Note, ...]:
    if not unread:
        return ()
    said = f"{len(unread)} image{'s are' if len(unread) > 1 else ' is'} left out, in a format that cannot be read here"
    return (Note(0.0, duration_s, f"{said} ({_named(unread)})", "visual"),)


def _named(files: Sequence[Path]) -> str:
    names = ", ".join(file.name for file in files[:_NAMED])
    return names if len(files) <= _NAMED else f"{names} and {len(files) - _NAMED} more"
