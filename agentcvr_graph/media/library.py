"""The entry point to media: open a `Video` as a `Media`, which returns frames, sound and subtitles of its clip.

Everything is synchronous and thread-safe; async code calls it in a thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import SetupError
from agentcvr_graph.media.access import EVERYTHING, Access, current_limit
from agentcvr_graph.media.cache import DiskCache, default_cache_dir
from agentcvr_graph.media.clip import READERS, Media, ReaderName
from agentcvr_graph.media.fetch import fetch, forget
from agentcvr_graph.media.folders import expand
from agentcvr_graph.media.frames import FrameStore
from agentcvr_graph.media.probe import NotAVideoError
from agentcvr_graph.media.sidecars import subtitles_beside
from agentcvr_graph.media.source import Source, parse_source
from agentcvr_graph.types import Video
from agentcvr_graph.views import NORMAL_PX

MAX_OPEN = 16
"""Largest number of open files; a decoder of 720p video holds about 30 MB."""


class MediaLibrary:
    """Opens videos and caches the decoded frames.

    Args:
        cache_dir: folder of the caches of fetched videos, frames and recognised text.
        cache_bytes: size of each of these caches above which the least recently used entries are removed.
        max_download_bytes: largest remote file that is fetched.
        reader: the decoding library; `auto` takes PyAV.
        long_side_px: frames are scaled down so that their longer side has at most this many pixels. With zoom, those of
            a region too, and those at high detail to `views.HIGH_PX` if that is more.
        download_timeout_s: longest time in seconds that a remote server may stay silent.
        access: what may be opened.

    Raises:
        SetupError: the reader is unknown.
    """

    def __init__(
        self,
        *,
        cache_dir: Path | None = None,
        cache_bytes: int = 2 * 2**30,
        max_download_bytes: int = 2 * 2**30,
        reader: ReaderName = "auto",
        long_side_px: int = NORMAL_PX,
        download_timeout_s: float = 30.0,
        access: Access = EVERYTHING,
    ) -> None:
        if reader not in READERS:
            raise SetupError(f"Unknown reader {reader!r}.", fix=f"Choose one of: {', '.join(READERS)}.")
        self.cache_dir = cache_dir or default_cache_dir()
        self.cache_bytes = cache_bytes
        self.long_side_px = long_side_px
        self._max_download_bytes = max_download_bytes
        self._reader: ReaderName = reader
        self._download_timeout_s = download_timeout_s
        self._access = access
        self._frames = FrameStore(DiskCache(self.cache_dir / "frames", cache_bytes))
        self._open: OrderedDict[str, tuple[object, Media]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, video: Video) -> Media:
        """Return the clip that a video string names. Cheap if it is already open and has not changed.

        Raises:
            VideoError: the file is not allowed, missing, unreadable, too large or not a video, or the clip starts
                after its end.
        """
        access = self._access.narrowed(current_limit())
        source = parse_source(video, access)
        path = self._local(source, access)
        key, stamp = repr((video, access)), _stamp(path, source.boxes)
        with self._lock:
            if key in self._open and self._open[key][0] == stamp:
                self._open.move_to_end(key)
                return self._open[key][1]
        media = self._open_fresh(source, path, access)
        with self._lock:
            if key in self._open and self._open[key][0] == stamp:  # another thread opened it first
                return self._open[key][1]
            # No LRU cache of a library: whatever is dropped must be closed, and outside the lock.
            dropped = [self._open.pop(key)[1]] if key in self._open else []
            self._open[key] = (stamp, media)
            while len(self._open) > MAX_OPEN:
                dropped.append(self._open.popitem(last=False)[1][1])
        for other in dropped:
            other.close()
        return media

    def stamp(self, video: Video) -> str:
        """Return what changes with a file, as `Library.stamp`."""
        return stamp_text(parse_source(video, self._access.narrowed(current_limit())))

    def expand(self, video: Video) -> Expansion | None:
        """Return the videos that a folder or a pattern stands for, without opening any; None for one video.

        Raises:
            VideoError: there is no video, or the folder may not be read.
        """
        return expand(video, self._access.narrowed(current_limit()))

    def close(self) -> None:
        """Close all files. A `Media` that is used later opens its file again."""
        with self._lock:
            medias = [media for _, media in self._open.values()]
            self._open.clear()
        for media in medias:
            media.close()

    def _local(self, source: Source, access: Access) -> Path:
        if source.kind != "url":
            return source.path
        return fetch(
            source.place,
            self.cache_dir,
            max_bytes=self._max_download_bytes,
            cache_bytes=self.cache_bytes,
            timeout_s=self._download_timeout_s,
            access=access,
        )

    def _open_fresh(self, source: Source, path: Path, access: Access) -> Media:
        try:
            return Media(source, path, self._frames, self._reader, self.long_side_px, access)
        except NotAVideoError:
            if source.kind == "url":
                forget(source.place, self.cache_dir, access)
            raise


def stamp_of(source: Source) -> object | None:
    """Return a value that changes when the video does; None for a URL, which would need the network."""
    return None if source.kind == "url" else _stamp(source.path, source.boxes)


def stamp_text(source: Source) -> str:
    """Return sizes and times of a file, its box file and its subtitle files as text; empty for a URL."""
    if source.kind == "url":
        return ""
    beside = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in subtitles_beside(source.path)]
    return repr((_stamp(source.path, source.boxes)[1], beside))


def _stamp(path: Path, boxes: str | None) -> tuple[Path, list[tuple[int, int]]]:
    """Return sizes and modification times: they change with a file, the listing of a folder, or its box file.

    The path belongs to them, because a relative one means another file after the program changed its folder.
    """
    stats = [file.stat() for file in (path, *([Path(boxes).expanduser()] if boxes else [])) if file.exists()]
    return path, [(stat.st_size, stat.st_mtime_ns) for stat in stats]
