"""Thumbnails for the report. Observed frames are in the frame store already, so little is decoded again."""

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
    """Source of small JPEGs of single moments."""

    def thumbnail(self, video: Video, time_s: float) -> bytes | None:
        """Return the frame at a time, or None where there is none."""
        ...


class MediaThumbnails:
    """Thumbnails from a media library.

    Args:
        library: opens the videos.
        width_px: the longest side of a thumbnail.
    """

    def __init__(self, library: Library, width_px: int = WIDTH_PX) -> None:
        self._library = library
        self._width_px = width_px

    def thumbnail(self, video: Video, time_s: float) -> bytes | None:
        """Return a frame as in the protocol; None also if the video is unreadable, so that a report can be written."""
        from PIL import Image

        if HIDDEN in video.source:  # stored runs hide secrets in addresses
            return None
        try:
            frame = self._library.open(video).frames([time_s])[0]
        except CVRError:
            return None
        picture = Image.fromarray(frame.pixels)
        picture.thumbnail((self._width_px, self._width_px))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return buffer.getvalue()
