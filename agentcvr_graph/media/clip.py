"""A clip: frames, sound and subtitles of one or more segments of a file. Times count from the clip's start.

Created by `MediaLibrary.open`. Synchronous and thread-safe: a lock guards the reader.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from agentcvr_graph.errors import CVRError, InfrastructureError, VideoError, missing_extra
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.cache import DECODING
from agentcvr_graph.media.containers import why
from agentcvr_graph.media.damage import Damage, overlapping
from agentcvr_graph.media.frames import FrameStore, Shelf
from agentcvr_graph.media.index import FileIndex
from agentcvr_graph.media.probe import Probe, probe
from agentcvr_graph.media.readers.base import Reader, nearest, scaled_size
from agentcvr_graph.media.readers.folder_reader import FolderReader
from agentcvr_graph.media.segments import Segment, by_segment, lay_out, window_of, within
from agentcvr_graph.media.sound import read_sound
from agentcvr_graph.media.source import Source
from agentcvr_graph.media.subtitles import Subtitles, clip_cues, read_subtitles
from agentcvr_graph.media.types import Cue, Frame, Note, Samples
from agentcvr_graph.types import Modality
from agentcvr_graph.utils.cancellation import raise_if_cancelled
from agentcvr_graph.views import View

ReaderName = Literal["auto", "pyav", "decord"]
READERS: tuple[ReaderName, ...] = ("auto", "pyav", "decord")
_FOR_DECORD = ("mov", "matroska", "flv")
"""Container formats whose times decord reports truly; others are read with PyAV."""
_BLOCK_BYTES = 1 << 16
_BLOCKS = 256
"""Blocks that identify a file. Up to 16 MiB they are the whole file."""
_MOST_ON_THE_WAY = 20_000
"""An overview that would decode more frames than this between its times shows the nearest key frames instead."""


class Media:
    """One clip. Created by `MediaLibrary.open`."""

    def __init__(
        self,
        source: Source,
        path: Path,
        store: FrameStore,
        reader: ReaderName,
        long_side_px: int,
        access: Access = EVERYTHING,
    ) -> None:
        self._source, self._path, self._store = source, path, store
        self._long_side_px = long_side_px
        self._choice: ReaderName = reader
        self._access = access
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._reader_pid = 0
        self._pictures_id = _content_id(source, path)
        """Identifies the frames of the whole file or folder, independent of the clip."""
        self._index: FileIndex | None = None
        self._damage = Damage()
        if source.kind == "folder":
            boxes = f"{_content_id(source, file)}|{source.objects}" if (file := _boxes(source)) else ""
            self._pictures_id += f"|{source.fps}|{boxes}"
            access.check_images(source.given, path)
            opened = self._open_folder()
            probed = Probe(opened.info, has_sound=False, notes=opened.notes)
        else:
            self._pictures_id += f"|{reader}" if reader == "decord" else ""
            probed = probe(source.given, path, access.max_pixels)
            self._index = probed.index
        access.check_size(source.given, probed.picture)
        self._file_s = probed.picture.duration_s
        self._turn = probed.picture.turn
        self._first_picture_s, self._format_name = probed.first_picture_s, probed.format_name
        for note in probed.notes:
            self._damage.add(note)
        for start_s, end_s in probed.silences:
            self._damage.silence(start_s, end_s)
        self._segments = _segments(source, self._file_s)
        self.info = self._describe(probed)

    def frames(self, times_s: Sequence[float], view: View | None = None) -> tuple[Frame, ...]:
        """Return the frames on screen at ascending times of the clip, each with its true time.

        For a view, they are decoded and stored at full size, and its part is cut out of what is stored: another view of
        the same moments decodes nothing.

        Where the times lie further apart than the key frames, the nearest key frame is returned instead; also where too
        much would have to be decoded between them, which `notes` then says.

        Raises:
            InfrastructureError: there is no picture, or it cannot be decoded.
        """
        if not self.info.width:
            raise InfrastructureError(f"{self._source.name} has no picture.")
        with self._lock, explained(self._source.name):
            frames = [
                frame
                for segment, own_s in by_segment(self._segments, times_s)
                for frame in self._shown(segment, own_s, view)
            ]
        if not frames:
            raise InfrastructureError(f"No frame of {self._source.name} could be decoded there.")
        return tuple(frames)

    def sound(self, start_s: float, end_s: float) -> Samples:
        """Return the samples of a window of the clip, 16 kHz mono.

        Raises:
            InfrastructureError: there is no sound track, or it cannot be decoded.
        """
        if not self.info.has_sound:
            raise InfrastructureError(f"{self._source.name} has no sound track.")
        heard = [
            read_sound(self._path, segment.shift_s + first_s, segment.shift_s + last_s, self._index, self._damage)
            for segment, first_s, last_s in within(self._segments, start_s, end_s)
        ]
        return np.concatenate(heard) if heard else np.zeros(0, dtype=np.float32)

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """Return the subtitles that overlap a window of the clip, with their times clipped to it."""
        return tuple(
            cue.later(-segment.shift_s)
            for segment, first_s, last_s in within(self._segments, start_s, end_s)
            for cue in clip_cues(self._all_cues, segment.shift_s + first_s, segment.shift_s + last_s)
        )

    def notes(self, start_s: float, end_s: float, modality: Modality | None = None) -> tuple[str, ...]:
        """Return what is known so far about a window of the clip: damage, jumps of the clock, frames shown instead."""
        return overlapping(self.all_notes(), start_s, end_s, modality)

    def all_notes(self) -> tuple[Note, ...]:
        """Return what is known so far about the clip."""
        return tuple(
            note.between(first_s, last_s, segment.shift_s)
            for segment in self._segments
            for first_s, last_s in [(segment.start_s, segment.end_s)]
            for note in self._damage.notes()
            if note.start_s <= last_s and note.end_s >= first_s
        )

    def noted(self, what: Literal["frames", "sound"], *window: Any) -> tuple[Any, tuple[Note, ...]]:
        """Return the result of `frames` or `sound`, and all notes so far: for a caller in another process."""
        return getattr(self, what)(*window), self.all_notes()

    def close(self) -> None:
        """Close the file. The next request for a frame opens it again."""
        with self._lock:
            if self._reader is not None and self._reader_pid == os.getpid():
                self._reader.close()
                self._reader = None

    @cached_property
    def _all_cues(self) -> tuple[Cue, ...]:
        found = Subtitles() if self._source.kind == "folder" else read_subtitles(self._path, self._access)
        for said in found.notes:
            self._damage.add(Note(0.0, self._file_s, said, "audio"))
        return found.cues

    @cached_property
    def _key_times(self) -> Sequence[float]:
        return self._open_reader().key_times()

    def _open_reader(self) -> Reader:
        """Return this process's reader. A decoder inherited through a fork has lost its threads and would hang."""
        if self._reader is None or self._reader_pid != os.getpid():
            if self._reader is not None:
                _inherited.append(self._reader)
            self._reader, self._reader_pid = self._fresh_reader(), os.getpid()
        return self._reader

    def _fresh_reader(self) -> Reader:
        if self._source.kind == "folder":
            return self._open_folder()
        try:
            opened = self._open_decord() if self._choice == "decord" else None
            return opened or self._open_pyav()
        except ImportError as error:
            raise missing_extra(error.name or self._choice, "live") from error

    def _open_decord(self) -> Reader | None:
        """Open the file with decord; None, with a note, where it would not show the truth or has no package."""
        said = "decord cannot show this file as a player does; PyAV was used"
        from agentcvr_graph.media.readers.decord_reader import DecordReader

        try:
            one_track = self.info.tracks.picture.startswith("track 1 of 1")
            if self._format_name.startswith(_FOR_DECORD) and one_track and not self._turn.mirrored:
                return DecordReader(self._path, self._first_picture_s)
        except ImportError:  # it has no wheel for this machine
            said = "decord is not installed; PyAV was used"
        except Exception:  # decord's own errors, and no times
            pass
        self._damage.add(Note(0.0, self._file_s, said, "visual"))
        return None

    def _open_pyav(self) -> Reader:
        from agentcvr_graph.media.readers.pyav_reader import PyAVReader

        return PyAVReader(self._path, self._access.max_pixels, self._index, self._damage.picture, self._turn)

    def _open_folder(self) -> FolderReader:
        source, most = self._source, self._access.max_pixels
        report = self._damage.add
        return FolderReader(source.given, self._path, source.fps, _boxes(source), dict(source.objects), most, report)

    def _describe(self, probed: Probe) -> MediaInfo:
        picture, duration_s = probed.picture, self._segments[-1].until_s
        spans = ",".join(f"{segment.start_s:.3f}-{segment.end_s:.3f}" for segment in self._segments)
        return MediaInfo(
            content_id=f"{self._pictures_id}@{spans}",
            duration_s=duration_s,
            fps=picture.fps,
            width=picture.width,
            height=picture.height,
            has_sound=probed.has_sound,
            has_subtitles=bool(self.cues(0.0, duration_s)),
            tracks=probed.tracks,
            notes=self.all_notes(),
            picture_s=window_of(self._segments, *probed.picture_s),
        )

    def _shown(self, segment: Segment, times_s: Sequence[float], view: View | None) -> list[Frame]:
        """Return the frames on screen at ascending times of one segment."""
        shift_s = segment.shift_s
        wanted_s = [time_s + shift_s for time_s in times_s]
        by_key = self._served_by_key_frames(wanted_s)
        shelf = Shelf(self._store, self._pictures_id, self._long_side_px, view)
        found = {time_s: shelf.get(time_s, time_s in by_key, shift_s) for time_s in wanted_s}
        missing = [time_s for time_s, frame in found.items() if frame is None]
        if missing:
            found.update(self._decode(missing, by_key, shift_s, shelf))
        return [
            replace(frame, requested_s=time_s)
            for time_s, file_s in zip(times_s, wanted_s, strict=True)
            if (frame := found[file_s]) is not None
        ]

    def _served_by_key_frames(self, times_s: Sequence[float]) -> frozenset[float]:
        """Return those of the ascending times of the file for which the nearest key frame is close enough.

        The result is empty where the times lie closer together than the key frames. A time whose key frame lies before
        the first or after the last time is left out: an overview shows nothing from outside its window.
        """
        keys = self._key_times
        if len(times_s) < 2:
            return frozenset()
        longest_gap_s = max(b - a for a, b in itertools.pairwise([*keys, max(self._file_s, keys[-1])]))
        if (times_s[-1] - times_s[0]) / (len(times_s) - 1) >= longest_gap_s:
            return frozenset(time_s for time_s in times_s if times_s[0] <= nearest(keys, time_s) <= times_s[-1])
        if self._frames_on_the_way(times_s) <= _MOST_ON_THE_WAY:
            return frozenset()
        self._damage.add(
            Note(
                times_s[0],
                times_s[-1],
                f"key frames are up to {longest_gap_s:.0f} s apart, and the nearest ones are shown: to decode all that"
                " lies between them would take too long; a shorter window shows every moment",
                "visual",
            )
        )
        return frozenset(times_s)

    def _frames_on_the_way(self, times_s: Sequence[float]) -> float:
        """Return about how many frames are decoded between the first and the last time, if all are shown exactly."""
        keys = self._key_times
        befores_s = [keys[max(0, bisect.bisect_right(keys, time_s) - 1)] for time_s in times_s]
        pairs = zip(itertools.pairwise(times_s), befores_s[1:], strict=True)
        return self.info.fps * sum(time_s - max(last_s, before_s) for (last_s, time_s), before_s in pairs)

    def _decode(
        self, missing: Sequence[float], by_key: frozenset[float], shift_s: float, shelf: Shelf
    ) -> dict[float, Frame]:
        """Return frames by requested time. Frames decoded on the way are stored but not returned."""
        size = scaled_size(self.info.width, self.info.height, shelf.long_side_px)
        frames: dict[float, Frame] = {}
        reader = self._open_reader()
        for read, sparse in ((reader.key_frames, True), (reader.shown_at, False)):
            times_s = [time_s for time_s in sorted(missing) if (time_s in by_key) is sparse]
            for decoded in read(times_s, size):
                raise_if_cancelled()
                if decoded.requested_s in times_s or shelf.keeps_others:
                    frames[decoded.requested_s] = shelf.put(decoded, sparse, shift_s)
        return {time_s: frames[time_s] for time_s in missing if time_s in frames}


_inherited: list[Reader] = []
"""Readers inherited from a parent process. Closing one here would wait for threads that do not exist."""


def _content_id(source: Source, path: Path) -> str:
    try:
        return content_id(path)
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror or type(error).__name__})."
        raise VideoError(source.given, problem, fix="Check its permissions.") from error


def content_id(path: Path) -> str:
    """Return a hash of a file's content, or of a folder's listing, and of how it is decoded.

    Of a file larger than `_BLOCKS` blocks, that many blocks at equal distances are read: a download that lacks a part
    has the size of the whole file, and often its beginning and its end.
    """
    digest = hashlib.sha256(f"decoding {DECODING}|".encode())
    if path.is_dir():
        for file in sorted(file for file in path.iterdir() if file.exists()):  # a link may lead nowhere
            digest.update(f"{file.name}|{file.stat().st_size}|{file.stat().st_mtime_ns}\n".encode())
        return digest.hexdigest()[:32]
    size = path.stat().st_size
    digest.update(str(size).encode())
    count = min(-(-size // _BLOCK_BYTES), _BLOCKS)
    with path.open("rb") as file:
        for number in range(count):
            file.seek(max(0, size - _BLOCK_BYTES) * number // max(1, count - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()[:32]


def _segments(source: Source, duration_s: float) -> tuple[Segment, ...]:
    try:
        return lay_out(source.spans, duration_s)
    except ValueError as error:
        raise VideoError(
            source.given,
            f"the clip starts at {error.args[0]:g} s, but the video ends at {duration_s:.1f} s.",
            fix="Choose an earlier start.",
        ) from None


def _boxes(source: Source) -> Path | None:
    return Path(source.boxes).expanduser() if source.boxes else None


@contextmanager
def explained(name: str) -> Generator[None]:
    """Turn any exception of a decoder into a one-line `InfrastructureError`; each library raises its own classes."""
    try:
        yield
    except CVRError:
        raise
    except Exception as error:
        raise InfrastructureError(f"{name} cannot be decoded there ({why(error)}).") from error
