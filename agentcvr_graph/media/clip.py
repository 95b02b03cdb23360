"""One clip: frames, sound and subtitles of a stretch of a file, in the clip's own time.

Made by `MediaLibrary.open`. Synchronous, and safe to call from many threads: a lock guards the reader.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from agentcvr_graph.errors import CVRError, VideoError, WorldError, missing_extra
from agentcvr_graph.media.frames import FrameStore
from agentcvr_graph.media.readers.base import Reader, scaled_size
from agentcvr_graph.media.readers.folder_reader import FolderReader
from agentcvr_graph.media.sound import read_sound
from agentcvr_graph.media.source import Source
from agentcvr_graph.media.subtitles import clip_cues, read_cues
from agentcvr_graph.models.base import Cue, Frame, Samples

ReaderName = Literal["auto", "pyav", "decord"]
READERS: tuple[ReaderName, ...] = ("auto", "pyav", "decord")
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
                frame = self._store.put(self._key(time_s, bool(sparse)), decoded, shift_s)
                if time_s in missing:
                    frames[time_s] = frame
        except CVRError:
            raise
        except Exception as error:  # each library has its own exceptions, and all mean the same here
            raise WorldError(f"{self._path.name} cannot be decoded there ({error}).") from error
        return frames

    def _stored(self, time_s: float, key_frame: bool) -> Frame | None:
        return self._store.get(self._key(time_s, key_frame))

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
