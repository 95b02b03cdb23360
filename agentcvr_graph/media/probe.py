"""Probe a file once, before a reader opens it, so that all readers report the same tracks, length and size.

Refuses files that cannot be used: empty, not a video, without tracks, without length, or truncated.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from agentcvr_graph.errors import CVRError, VideoError
from agentcvr_graph.media.containers import open_container, origin_s
from agentcvr_graph.media.display import pixel_aspect, shown_size, turn_of
from agentcvr_graph.media.readers.base import PictureInfo
from agentcvr_graph.media.tracks import picture_stream, sound_stream

_TAIL_S = 2.0
_SLACK = 0.05
"""Headers round, and tracks end at different times: this share of the length may be missing, or `_TAIL_S` if more."""
_WITH_LENGTHS = ("mov", "matroska")
"""Formats whose header states a reliable length."""


class NotAVideoError(VideoError):
    """Raised when the file itself cannot be used, whichever clip of it is requested."""


@dataclass(frozen=True)
class Probe:
    """The tracks of a file."""

    picture: PictureInfo
    """Its `duration_s` is that of the file, even if there is no picture."""
    has_sound: bool


def probe(given: str, path: Path, until_s: float | None = None, max_pixels: int | None = None) -> Probe:
    """Read the headers, and decode the first picture to check that it decodes and how it is rotated.

    Args:
        given: the string that the user gave, for messages.
        until_s: the end of the requested clip; None for the end of the file. The file may be truncated after it.
        max_pixels: a picture is not decoded if its header states more pixels than this; None for no limit.

    Raises:
        NotAVideoError: the file cannot be used.
    """
    if not os.access(path, os.R_OK):
        raise NotAVideoError(given, "it may not be read.", fix="Change its permissions.")
    if not path.stat().st_size:
        raise NotAVideoError(given, "the file is empty (0 bytes).", fix="Export or download it again.")
    try:
        with open_container(path, max_pixels) as container:
            found = Probe(_picture(given, container, max_pixels), sound_stream(container) is not None)
            _check(given, container, found, until_s)
            return found
    except CVRError:
        raise
    except Exception as error:  # FFmpeg's errors, and any error of PyAV over a damaged file
        raise NotAVideoError(
            given,
            "it cannot be read as a video; it may be truncated, damaged or another kind of file.",
            fix="Check that it plays, and export it as MP4 (H.264) if it does.",
        ) from error


def _picture(given: str, container: InputContainer, max_pixels: int | None) -> PictureInfo:
    stream = picture_stream(container)
    duration_s = max(0, (container.duration or 0) - (container.start_time or 0)) / av.time_base
    if stream is not None and stream.duration and stream.time_base:
        duration_s = max(duration_s, float(stream.duration * stream.time_base))
    if duration_s <= 0:  # a live recording never writes its length into the header
        duration_s = _last_packet_s(container, 0.0)
    if stream is None:
        return PictureInfo(duration_s, 0.0, 0, 0)
    if max_pixels is not None and stream.codec_context.width * stream.codec_context.height > max_pixels:
        return PictureInfo(duration_s, 0.0, stream.codec_context.width, stream.codec_context.height)
    container.seek(stream.start_time or 0, stream=stream)  # some streams have no frame at time 0
    first = next(iter(container.decode(stream)), None)
    if first is None:
        raise NotAVideoError(given, "its pictures cannot be decoded.", fix="Export it as MP4 (H.264).")
    width, height = shown_size(first.width, first.height, pixel_aspect(stream), turn_of(first))
    return PictureInfo(duration_s, float(stream.average_rate or stream.guessed_rate or 25), width, height)


def _check(given: str, container: InputContainer, found: Probe, until_s: float | None) -> None:
    duration_s = found.picture.duration_s
    if not found.picture.width and not found.has_sound:
        raise NotAVideoError(given, "it holds neither pictures nor sound.", fix="Give a video file.")
    if duration_s <= 0:
        raise NotAVideoError(given, "it has no length; it may be truncated.", fix="Export it again.")
    if not container.format.name.startswith(_WITH_LENGTHS):
        return
    wanted_s = min(duration_s, until_s or duration_s) - max(_TAIL_S, _SLACK * duration_s)
    if _last_packet_s(container, wanted_s) >= wanted_s:
        return
    readable_s = _last_packet_s(container, 0.0)  # a seek may land wrong; reading from the start does not
    if readable_s < wanted_s:
        raise NotAVideoError(
            given,
            f"it is truncated: only {readable_s:.1f} of its {duration_s:.1f} s are there.",
            fix=f"Download it again, or ask about what is there with '#t=0,{readable_s:.1f}'.",
        )


def _last_packet_s(container: InputContainer, from_s: float) -> float:
    """Return the end of the last packet of any track, searching from `from_s`; 0 if there is no packet."""
    shift_s = origin_s(container)
    last_s = 0.0
    try:
        container.seek(int(max(0.0, from_s + shift_s) * av.time_base), any_frame=True)
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                last_s = max(last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base) - shift_s)
    except FFmpegError:  # the file is truncated here
        pass
    return last_s
