"""Small pictures for the report. Frames that were observed are in the frame store, so this decodes next to nothing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from agentcvr_graph.errors import HIDDEN, CVRError
from agentcvr_graph.types import Video

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library

WIDTH_PX = 192
_JPEG_QUALITY = 78


class Thumbnails(Protocol):
    """Gives a small JPEG of a moment of a video."""

    def thumbnail(self, video: Video, time_s: float) -> bytes | None:
        """The picture on screen at a time, or None where there is none."""
        ...


class MediaThumbnails:
    """Thumbnails from a media library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def thumbnail(self, video: Video, time_s: float) -> bytes | None:
        """As the protocol. A video that cannot be read any more has no picture; the report is written all the same."""
        from PIL import Image

        if HIDDEN in video.source:  # in what was kept of a run
            return None
        try:
            frame = self._library.open(video).frames([time_s])[0]
        except CVRError:
            return None
        picture = Image.fromarray(frame.pixels)
        picture.thumbnail((WIDTH_PX, WIDTH_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return buffer.getvalue()
