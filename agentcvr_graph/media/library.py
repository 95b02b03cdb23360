"""The one door to media: a `Video` goes in, a `Media` comes out that gives frames, sound and subtitles of its clip.

All of it is synchronous and may be called from many threads; async code calls it through a thread. Every frame passes
through the frame store as JPEG, also the first time, so that a frame looks the same whether it was just decoded or
comes from the cache, and what a model says about it stays the same too.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs
from PIL import Image

from agentcvr_graph.errors import CVRError, SetupError, VideoError, WorldError, missing_extra
from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.fetch import fetch, forget
from agentcvr_graph.media.readers.base import Decoded, Reader, scaled_size
from agentcvr_graph.media.readers.folder_reader import FolderReader
from agentcvr_graph.media.sound import read_sound
from agentcvr_graph.media.source import Source, parse_source
from agentcvr_graph.media.subtitles import clip_cues, read_cues
from agentcvr_graph.models.base import Cue, Frame, Samples
from agentcvr_graph.types import Video

ReaderName = Literal["auto", "pyav", "decord"]
READERS: tuple[ReaderName, ...] = ("auto", "pyav", "decord")
MAX_OPEN = 16
"""Files kept open; a decoder of 720p holds some 30 MB."""
_JPEG_QUALITY = 92
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class MediaInfo:
    """What is known of a clip without decoding it."""

    content_id: str
    """The same for the same bytes, wherever they lie; different for another clip of them."""
    duration_s: float
    fps: float
    width: int
    height: int
    has_sound: bool
    has_subtitles: bool


def default_cache_dir() -> Path:
    """`AGENTCVR_CACHE_DIR`, else the user's cache folder."""
    given = os.environ.get("AGENTCVR_CACHE_DIR")
    return Path(given) if given else platformdirs.user_cache_path("agentcvr")


class MediaLibrary:
    """Opens videos and keeps what it has decoded.

    Args:
        cache_dir: where fetched videos, frames and recognised text are kept.
        cache_bytes: size of each of these caches, at which the least recently used entries go.
        max_download_bytes: largest remote file that is fetched.
        reader: `auto` takes the fastest installed one.
        long_side_px: frames are scaled down so that their longer side has at most this many pixels.
        download_timeout_s: longest silence of a remote server.

    Raises:
        SetupError: there is no such reader.
    """

    def __init__(
        self,
        *,
        cache_dir: Path | None = None,
        cache_bytes: int = 2 * 2**30,
        max_download_bytes: int = 2 * 2**30,
        reader: ReaderName = "auto",
        long_side_px: int = 360,
        download_timeout_s: float = 30.0,
    ) -> None:
        if reader not in READERS:
            raise SetupError(f"Unknown reader {reader!r}.", fix=f"Choose one of: {', '.join(READERS)}.")
        self.cache_dir = cache_dir or default_cache_dir()
        self.cache_bytes = cache_bytes
        self.long_side_px = long_side_px
        self._max_download_bytes = max_download_bytes
        self._reader: ReaderName = reader
        self._download_timeout_s = download_timeout_s
        self._frames = FrameStore(DiskCache(self.cache_dir / "frames", cache_bytes))
        self._open: OrderedDict[str, tuple[object, Media]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, video: Video) -> Media:
        """The clip that a video string means. Cheap for one that is open already and has not changed since.

        Raises:
            VideoError: missing, unreadable, too large, not a video, or a clip beyond its end.
        """
        source = parse_source(video)
        path = self._local(source)
        key, stamp = video.model_dump_json(), _stamp(path)
        with self._lock:
            if key in self._open and self._open[key][0] == stamp:
                self._open.move_to_end(key)
                return self._open[key][1]
        media = self._open_fresh(source, path)
        with self._lock:
            self._open[key] = (stamp, media)
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)[1][1].close()
        return media

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for _, media in self._open.values():
                media.close()
            self._open.clear()

    def _local(self, source: Source) -> Path:
        if source.kind != "url":
            return source.path
        return fetch(
            source.place,
            self.cache_dir,
            max_bytes=self._max_download_bytes,
            cache_bytes=self.cache_bytes,
            timeout_s=self._download_timeout_s,
        )

    def _open_fresh(self, source: Source, path: Path) -> Media:
        try:
            return Media(source, path, self._frames, self._reader, self.long_side_px)
        except VideoError:
            if source.kind == "url":
                forget(source.place, self.cache_dir)
            raise


class FrameStore:
    """JPEG frames by key, in memory and on disk."""

    def __init__(self, disk: DiskCache, memory_bytes: int = 64 * 2**20) -> None:
        self._disk = disk
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str, time_of: Callable[[bytes], Frame]) -> Frame | None:
        """The frame under a key, or None."""
        with self._lock:
            stored = self._memory.get(key)
        stored = stored or self._disk.get(key)
        if stored is None:
            return None
        self._remember(key, stored)
        return time_of(stored)

    def put(self, key: str, stored: bytes) -> None:
        """Keep a frame."""
        self._remember(key, stored)
        self._disk.put(key, stored)

    def _remember(self, key: str, stored: bytes) -> None:
        with self._lock:
            self._held_bytes += len(stored) - len(self._memory.pop(key, b""))
            self._memory[key] = stored
            while self._held_bytes > self._memory_bytes:
                self._held_bytes -= len(self._memory.popitem(last=False)[1])


class Media:
    """One clip. Made by `MediaLibrary.open`."""

    def __init__(self, source: Source, path: Path, store: FrameStore, reader: ReaderName, long_side_px: int) -> None:
        self._source, self._path, self._store = source, path, store
        self._long_side_px = long_side_px
        self._lock = threading.Lock()
        self._reader = _open_reader(source, path, reader)
        self.info = self._read_info()

    def frames(self, times_s: Sequence[float]) -> tuple[Frame, ...]:
        """The frames on screen at ascending times of the clip, each with its own true time.

        Where the times lie further apart than the key frames around them, the nearest key frame is taken instead.

        Raises:
            WorldError: there is no picture, or it cannot be decoded.
        """
        if not self.info.width:
            raise WorldError(f"{self._path.name} has no picture.")
        with self._lock:
            exact, sparse = self._split(times_s)
            cached = {time_s: self._stored(time_s, time_s in sparse) for time_s in times_s}
            missing = [time_s for time_s in times_s if cached[time_s] is None]
            fresh = self._decode(missing, exact, sparse) if missing else {}
        frames = [cached[time_s] or fresh.get(time_s) for time_s in times_s]
        if not any(frames):
            raise WorldError(f"No frame of {self._path.name} could be decoded there.")
        return tuple(frame for frame in frames if frame is not None)

    def sound(self, start_s: float, end_s: float) -> Samples:
        """Samples of a window of the clip, 16 kHz mono.

        Raises:
            WorldError: there is no sound track, or it cannot be decoded.
        """
        if not self.info.has_sound:
            raise WorldError(f"{self._path.name} has no sound track.")
        return read_sound(self._path, self._source.start_s + start_s, self._source.start_s + end_s)

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """Subtitles that overlap a window of the clip, clipped at its edges."""
        shift_s = self._source.start_s
        found = clip_cues(self._all_cues, shift_s + start_s, shift_s + end_s)
        return tuple(Cue(cue.start_s - shift_s, cue.end_s - shift_s, cue.text) for cue in found)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._reader.close()

    @cached_property
    def _all_cues(self) -> tuple[Cue, ...]:
        return () if self._source.kind == "folder" else read_cues(self._path)

    @cached_property
    def _key_times(self) -> Sequence[float]:
        return self._reader.key_times()

    def _read_info(self) -> MediaInfo:
        picture = self._reader.info
        if picture.duration_s <= 0:
            raise VideoError(self._source.given, "it has no length; it may be truncated.", fix="Export it again.")
        start_s, end_s = self._source.start_s, self._source.end_s
        if start_s >= picture.duration_s:
            raise VideoError(
                self._source.given,
                f"the clip starts at {start_s:g} s, but the video ends at {picture.duration_s:.1f} s.",
                fix="Choose an earlier start.",
            )
        clip_end_s = min(picture.duration_s, end_s if end_s is not None else picture.duration_s)
        return MediaInfo(
            content_id=f"{content_id(self._path)}@{start_s:g}",
            duration_s=clip_end_s - start_s,
            fps=picture.fps,
            width=picture.width,
            height=picture.height,
            has_sound=self._source.kind != "folder" and _has_sound(self._path),
            has_subtitles=bool(clip_cues(self._all_cues, start_s, clip_end_s)),
        )

    def _split(self, times_s: Sequence[float]) -> tuple[list[float], frozenset[float]]:
        """Times to decode exactly, and times for which a key frame will do."""
        keys = self._key_times
        longest_gap_s = max((b - a for a, b in itertools.pairwise(keys)), default=float("inf"))
        if len(times_s) > 1 and (times_s[-1] - times_s[0]) / (len(times_s) - 1) >= longest_gap_s:
            return [], frozenset(times_s)
        return list(times_s), frozenset()

    def _decode(self, missing: Sequence[float], exact: Sequence[float], sparse: frozenset[float]) -> dict[float, Frame]:
        size = scaled_size(self.info.width, self.info.height, self._long_side_px)
        shift_s = self._source.start_s
        asked = {time_s + shift_s: time_s for time_s in missing}
        read = self._reader.key_frames if sparse else self._reader.shown_at
        frames: dict[float, Frame] = {}
        try:
            for decoded in read(sorted(asked), size):
                time_s = asked.get(decoded.asked_s, decoded.asked_s - shift_s)
                stored = _encode(decoded, shift_s)
                self._store.put(self._key(time_s, bool(sparse)), stored)
                if time_s in missing:
                    frames[time_s] = _decode_stored(stored, cached=False)
        except CVRError:
            raise
        except Exception as error:  # each library has its own exceptions, and all mean the same here
            raise WorldError(f"{self._path.name} cannot be decoded there ({error}).") from error
        return frames

    def _stored(self, time_s: float, key_frame: bool) -> Frame | None:
        return self._store.get(self._key(time_s, key_frame), lambda stored: _decode_stored(stored, cached=True))

    def _key(self, time_s: float, key_frame: bool) -> str:
        return f"{self.info.content_id}|{time_s:.3f}|{'key' if key_frame else 'exact'}|{self._long_side_px}"


def content_id(path: Path) -> str:
    """A hash of a file's size and three of its blocks, or of a folder's listing: cheap for files of many gigabytes."""
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(path.iterdir()):
            digest.update(f"{file.name}|{file.stat().st_size}|{file.stat().st_mtime_ns}\n".encode())
        return digest.hexdigest()[:32]
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        for offset in (0, size // 2, max(0, size - _BLOCK_BYTES)):
            file.seek(offset)
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()[:32]


def _open_reader(source: Source, path: Path, reader: ReaderName) -> Reader:
    if source.kind == "folder":
        return FolderReader(source.given, path, source.fps, Path(source.boxes).expanduser() if source.boxes else None)
    if not path.stat().st_size:
        raise VideoError(source.given, "the file is empty (0 bytes).", fix="Export or download it again.")
    try:
        return _file_reader(path, reader)
    except ImportError as error:
        raise missing_extra(error.name or reader, "live") from error
    except Exception as error:  # missing, truncated and alien files raise whatever the library likes
        raise VideoError(
            source.given,
            "it cannot be read as a video; it may be truncated, damaged or another kind of file.",
            fix="Check that it plays, and export it as MP4 (H.264) if it does.",
        ) from error


def _file_reader(path: Path, reader: ReaderName) -> Reader:
    if reader == "decord":
        from agentcvr_graph.media.readers.decord_reader import DecordReader

        return DecordReader(path)
    from agentcvr_graph.media.readers.pyav_reader import PyAVReader

    return PyAVReader(path)


def _has_sound(path: Path) -> bool:
    import av

    with av.open(str(path)) as container:
        return bool(container.streams.audio)


def _stamp(path: Path) -> object:
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns)


def _encode(decoded: Decoded, shift_s: float) -> bytes:
    """The frame's own time, then its JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(decoded.pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return f"{decoded.time_s - shift_s:.4f}\n".encode() + buffer.getvalue()


def _decode_stored(stored: bytes, *, cached: bool) -> Frame:
    time_text, _, jpeg = stored.partition(b"\n")
    with Image.open(io.BytesIO(jpeg)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    return Frame(time_s=float(time_text), pixels=pixels, cached=cached)
