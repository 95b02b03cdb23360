"""Probe a file once, before a reader opens it, so that all readers report the same tracks, length and size.

Lengths are measured at the last packet, because headers lie: a recording may be cut off, or never have had a length.
Refuses files that cannot be used: empty, not a video, without tracks, or without anything that decodes. A file that is
cut off is used as far as it goes, with a note.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from agentcvr_graph.errors import CVRError, VideoError
from agentcvr_graph.media.containers import open_container, origin_s
from agentcvr_graph.media.display import UPRIGHT, caution, pixel_aspect, shown_size, turn_of
from agentcvr_graph.media.index import FileIndex, frame_rate, lacks_index, packet_s, read_index
from agentcvr_graph.media.readers.base import PictureInfo
from agentcvr_graph.media.silences import silences
from agentcvr_graph.media.tracks import chosen_tracks, picture_stream, sound_stream
from agentcvr_graph.media.types import Note
from agentcvr_graph.types import Tracks

_TAIL_S = 2.0
_SLACK = 0.05
"""Headers round, and tracks end at different times: this share of the length may be missing, or `_TAIL_S` if more."""
_ROUNDING_S = 0.1
"""A length in a header this near to the measured one, in seconds, is what players show, and is used."""
_WITH_LENGTHS = ("mov", "matroska", "avi", "asf", "flv", "wav", "flac")
"""Formats whose header states a reliable length."""
_LATE_S = 0.5
"""A first picture later than this, in seconds, gets a note."""
_ENDED_S = 2.0
"""So does a last one that ends so long before the file: encoders leave out pictures at the end that repeat the last."""
_TRIES = 400
"""Number of packets after which pictures are taken to be undecodable."""


class NotAVideoError(VideoError):
    """Raised when the file itself cannot be used, whichever clip of it is requested."""


@dataclass(frozen=True)
class Probe:
    """The tracks of a file."""

    picture: PictureInfo
    """Its `duration_s` is that of the file, even if there is no picture."""
    has_sound: bool
    tracks: Tracks = field(default_factory=Tracks)
    notes: tuple[Note, ...] = ()
    silences: tuple[tuple[float, float], ...] = ()
    """Start and end of each part without sound, as far as it is known without decoding."""
    index: FileIndex | None = None
    """The packets of a file whose container has no index."""
    first_picture_s: float = 0.0
    picture_s: tuple[float, float] = (0.0, math.inf)
    """From when until when there is a picture, where another track is longer."""
    format_name: str = ""
    """FFmpeg's names of the container format."""


def probe(given: str, path: Path, max_pixels: int | None = None) -> Probe:
    """Read the headers, measure the length, and decode the first picture for its size and rotation.

    Args:
        given: the string that the user gave, for messages.
        max_pixels: a picture is not decoded if its header states more pixels than this; None for no limit.

    Raises:
        NotAVideoError: the file cannot be used.
    """
    if not os.access(path, os.R_OK):
        raise NotAVideoError(given, "it may not be read.", fix="Change its permissions.")
    if not path.stat().st_size:
        raise NotAVideoError(given, "the file is empty (0 bytes).", fix="Export or download it again.")
    try:
        return _probe(given, path, max_pixels)
    except CVRError:
        raise
    except Exception as error:  # FFmpeg's errors, and any error of PyAV over a damaged file
        raise NotAVideoError(
            given,
            "it cannot be read as a video; it may be truncated, damaged or another kind of file.",
            fix="Check that it plays, and export it as MP4 (H.264) if it does.",
        ) from error


def _probe(given: str, path: Path, max_pixels: int | None) -> Probe:
    index: FileIndex | None = None
    with open_container(path, max_pixels) as container:
        picture, first_s = _first_picture(given, container, max_pixels)
        has_sound = sound_stream(container) is not None
        if not picture.width and not has_sound:
            raise NotAVideoError(given, "it holds neither pictures nor sound.", fix="Give a video file.")
        tracks, stated_s = chosen_tracks(container), _stated_lengths(container)
        if lacks_index(container):
            with open_container(path, max_pixels) as unread:
                index = read_index(unread)
            ends_s = index.ends_s
        else:
            ends_s = _measured_ends(path, container, stated_s)
        measured_s = max(ends_s.values(), default=0.0)
        last_s = _last_picture_s(path, container, index, ends_s, measured_s)
        duration_s = max(_length_s(stated_s, measured_s), 1 / picture.fps if picture.width else 0.0)
        if duration_s <= 0:
            raise NotAVideoError(given, "it has no length; it may be truncated.", fix="Export it again.")
        silent, format_name = silences(path, container, index, duration_s), container.format.name
    if silent == [(0.0, duration_s)]:  # a track without packets
        has_sound, silent = False, []
    picture = replace(picture, duration_s=duration_s)
    picture_s = first_s if first_s >= _LATE_S else 0.0, last_s if duration_s - last_s >= _ENDED_S else math.inf
    notes = [*(index.notes if index is not None else ()), *_without_picture(picture_s, duration_s), *_caution(picture)]
    if format_name.startswith(_WITH_LENGTHS):
        notes += _truncated(duration_s, max(min(stated_s, default=0.0), duration_s / _share_there(path)))
    return Probe(picture, has_sound, tracks, tuple(notes), tuple(silent), index, first_s, picture_s, format_name)


def _first_picture(given: str, container: InputContainer, max_pixels: int | None) -> tuple[PictureInfo, float]:
    """Return the size and rate of the picture, zeros if there is none, and when the first one is presented."""
    stream = picture_stream(container)
    if stream is None:
        return PictureInfo(0.0, 0.0, 0, 0), 0.0
    fps = frame_rate(stream)
    if max_pixels is not None and stream.codec_context.width * stream.codec_context.height > max_pixels:
        return PictureInfo(0.0, fps, stream.codec_context.width, stream.codec_context.height), 0.0
    first = next(_pictures(container, stream), None)
    if first is None:
        raise NotAVideoError(given, "its pictures cannot be decoded.", fix="Export it as MP4 (H.264).")
    turn = turn_of(first) or UPRIGHT
    width, height = shown_size(first.width, first.height, pixel_aspect(stream), turn)
    first_s = float(first.pts * first.time_base) - origin_s(container) if first.pts is not None else 0.0
    return PictureInfo(0.0, fps, width, height, turn, caution(first)), first_s


def _pictures(container: InputContainer, stream: VideoStream) -> Iterator[Any]:
    """Yield the pictures that can be decoded from the first packets."""
    decoder: Any = stream.codec_context
    packets = container.demux(stream)
    for _ in range(_TRIES):
        try:
            packet = next(packets, None)
            yield from decoder.decode(packet)
        except EOFError:  # everything was returned
            return
        except (FFmpegError, IndexError):
            continue
        if packet is None:
            return


def _length_s(stated_s: Iterable[float], measured_s: float) -> float:
    """Return the length: the stated one that is nearest to the measured one if they agree, else the measured one."""
    nearest_s = min(stated_s, key=lambda length_s: abs(length_s - measured_s), default=measured_s)
    return nearest_s if abs(nearest_s - measured_s) <= _ROUNDING_S else measured_s


def _stated_lengths(container: InputContainer) -> list[float]:
    """Return the lengths that the header may mean: some formats count from the start of the file, some from 0."""
    if container.duration is None:
        return []
    stated_s = container.duration / av.time_base
    return [length_s for length_s in dict.fromkeys((stated_s, stated_s - origin_s(container))) if length_s > 0]


def _measured_ends(path: Path, container: InputContainer, stated_s: Iterable[float]) -> dict[int, float]:
    """Return the end of the last packet of tracks, by number. Reads the file's end, or all of it where that fails.

    A track that ended before the file's end may be missing.
    """
    least_s = min(stated_s, default=0.0)
    if least_s > 0:
        ends_s = _sought_ends(container, least_s - _TAIL_S)
        if max(ends_s.values(), default=0.0) >= least_s - max(_TAIL_S, _SLACK * least_s):
            return ends_s
    with open_container(path) as unread:  # a seek may land wrong; reading from the start does not
        return _read_ends(unread)


def _sought_ends(container: InputContainer, from_s: float) -> dict[int, float]:
    try:
        container.seek(int((max(0.0, from_s) + origin_s(container)) * av.time_base), any_frame=True)
    except FFmpegError:  # this format cannot seek
        return {}
    return _read_ends(container)


def _last_picture_s(
    path: Path, container: InputContainer, index: FileIndex | None, ends_s: Mapping[int, float], file_s: float
) -> float:
    """Return the end of the last picture. Where the end of the file holds none, read from the last key frame on.

    A seek to the end of the file may yield the last packet of a track that ended earlier, which need not be its last
    picture.
    """
    stream = picture_stream(container)
    if stream is None:
        return file_s
    last_s = ends_s.get(stream.index, 0.0)
    if index is not None or last_s > file_s - _ENDED_S:
        return last_s or file_s
    with open_container(path) as unread:
        stream = unread.streams[stream.index]
        try:
            unread.seek(int((file_s + origin_s(unread)) / float(stream.time_base or 1)), stream=stream)
        except FFmpegError:  # this format cannot seek
            return file_s
        return _read_ends(unread, stream).get(stream.index, file_s)


def _read_ends(container: InputContainer, *streams: Stream) -> dict[int, float]:
    """Return the end of the last packet of each track, from where the container is; all tracks if none is named."""
    origin, ends_s = origin_s(container), dict[int, float]()
    try:
        for packet in container.demux(*streams):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.size and not packet.is_discard:
                end_s = float(stamp * packet.time_base) + packet_s(packet, packet.stream) - origin
                ends_s[packet.stream_index] = max(ends_s.get(packet.stream_index, 0.0), end_s)
    except (FFmpegError, IndexError):  # the file is truncated or damaged here
        pass
    return ends_s


def _without_picture(picture_s: tuple[float, float], duration_s: float) -> list[Note]:
    """Return a note for the time before the first picture, and for that after the last."""
    first_s, last_s = picture_s
    early = Note(0.0, first_s, "there is no picture yet; the first one is shown instead", "visual")
    late = Note(last_s, duration_s, "there is no picture any more; the last one is shown instead", "visual")
    return [*([early] if first_s else []), *([late] if last_s < duration_s else [])]


def _caution(picture: PictureInfo) -> list[Note]:
    return [Note(0.0, picture.duration_s, picture.caution, "visual")] if picture.caution else []


def _truncated(duration_s: float, whole_s: float) -> list[Note]:
    if duration_s >= whole_s - max(_TAIL_S, _SLACK * whole_s):
        return []
    return [Note(duration_s, duration_s, f"the file is cut off; it should be {whole_s:.1f} s long")]


def _share_there(path: Path) -> float:
    """Return how much of a RIFF file (AVI, WAV) is there, 0 to 1: FFmpeg takes the rest of a cut one for the whole."""
    with path.open("rb") as file:
        kind, stated = file.read(4), int.from_bytes(file.read(4), "little") + 8
    unknown = stated >= 2**32 - 2**16 or stated <= 8  # of a recording that was streamed
    return 1.0 if kind != b"RIFF" or unknown else min(1.0, path.stat().st_size / stated)
