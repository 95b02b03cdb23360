"""Thumbnails for the report. Observed frames are in the frame store already, so little is decoded again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from agentcvr_graph.errors import HIDDEN, CVRError
from agentcvr_graph.types import Video, Zoom
from agentcvr_graph.views import view_of

if TYPE_CHECKING:
    from agentcvr_graph.media.base import Library

WIDTH_PX = 192
CLOSE_SHARE = 3
"""A thumbnail of a close look has this many times as many pixels a side: what it was taken for is small."""
_JPEG_QUALITY = 78


class Thumbnails(Protocol):
    """Source of small JPEGs of single moments."""

    def thumbnail(self, video: Video, time_s: float, zoom: Zoom | None = None, /) -> bytes | None:
        """Return the frame at a time, or None where there is none.

        Args:
            zoom: the part of the picture that a close look showed; not passed for the whole picture.
        """
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

    def thumbnail(self, video: Video, time_s: float, zoom: Zoom | None = None, /) -> bytes | None:
        """Return a frame as in the protocol; None also if the video is unreadable, so that a report can be written."""
        from PIL import Image

        if HIDDEN in video.source:  # stored runs hide secrets in addresses
            return None
        try:
            view = None if zoom is None else view_of(zoom, self._library.long_side_px)
            frame = self._library.open(video).frames([time_s], view)[0]
        except CVRError:
            return None
        picture = Image.fromarray(frame.pixels)
        width_px = self._width_px if zoom is None else CLOSE_SHARE * self._width_px
        picture.thumbnail((width_px, width_px))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return buffer.getvalue()
