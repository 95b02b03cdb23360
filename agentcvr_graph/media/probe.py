"""What a file holds, found out once, before any reader opens it, and the same whichever reader does.

Here a file is refused that nobody can ask about: empty, alien, without tracks, without length, or cut short.
"""

# PyAV's stubs leave several attributes open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from agentcvr_graph.errors import CVRError, VideoError
from agentcvr_graph.media.containers import open_container, origin_s, picture_stream, sound_stream
from agentcvr_graph.media.readers.base import PictureInfo

_TAIL_S = 2.0
_SLACK = 0.05
"""Headers round, and tracks end at different times: this share of the length may be missing, or `_TAIL_S` if more."""
_WITH_LENGTHS = ("mov", "matroska")
"""Formats whose header states a length that can be relied on."""


class NotAVideoError(VideoError):
    """The file itself is no use, whichever part of it is asked for."""


@dataclass(frozen=True)
class Probe:
    """The tracks of a file."""

    picture: PictureInfo
    """Its `duration_s` is that of the file, also where there is no picture."""
    has_sound: bool


def probe(given: str, path: Path, until_s: float | None = None, max_pixels: int | None = None) -> Probe:
    """Read the headers and decode the first picture, which tells that it can be decoded, and how it is turned.

    Args:
        given: the string as the person gave it, for messages.
        until_s: the end of the clip asked for; None for the end of the file. What lies beyond it may be missing.
        max_pixels: the largest picture that is decoded, by what the header says.

    Raises:
        NotAVideoError: nothing can be asked about this file.
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
    except Exception as error:  # FFmpeg's own, and what its wrapper stumbles over in a damaged file
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
    if duration_s <= 0:  # recorded live, so nobody went back to write it into the header
        duration_s = _last_packet_s(container, 0.0)
    if stream is None:
        return PictureInfo(duration_s, 0.0, 0, 0)
    if max_pixels is not None and stream.codec_context.width * stream.codec_context.height > max_pixels:
        return PictureInfo(duration_s, 0.0, stream.codec_context.width, stream.codec_context.height)
    container.seek(stream.start_time or 0, stream=stream)  # where it begins: in some there is nothing at 0
    first = next(iter(container.decode(stream)), None)
    if first is None:
        raise NotAVideoError(given, "its pictures cannot be decoded.", fix="Export it as MP4 (H.264).")
    width, height = first.width, first.height
    if first.rotation % 180:
        width, height = height, width
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
    readable_s = _last_packet_s(container, 0.0)  # seeking may mislead; this does not
    if readable_s < wanted_s:
        raise NotAVideoError(
            given,
            f"it is truncated: only {readable_s:.1f} of its {duration_s:.1f} s are there.",
            fix=f"Download it again, or ask about what is there with '#t=0,{readable_s:.1f}'.",
        )


def _last_packet_s(container: InputContainer, from_s: float) -> float:
    """The end of the last packet of any track, looking from a time on; 0 where there is none."""
    shift_s = origin_s(container)
    last_s = 0.0
    try:
        container.seek(int(max(0.0, from_s + shift_s) * av.time_base), any_frame=True)
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                last_s = max(last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base) - shift_s)
    except FFmpegError:  # this is where it was cut
        pass
    return last_s
