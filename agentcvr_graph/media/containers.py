"""Opening media files with FFmpeg's libraries, through PyAV: what may be opened, and where its time starts.

Everything that opens a file comes through here, so that frames, sound and subtitles share
one clock and one set of rules.
"""

# PyAV's stubs leave several attributes open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

FORMATS = (
    "mov,matroska,webm,avi,flv,mpeg,mpegts,ogg,asf,mxf,nut,ivf,rm,dv,wtv,gif,h264,hevc,"
    "wav,w64,mp3,aac,flac,aiff,caf,amr,ac3,eac3"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
"""A file may not make the decoder open another file or address, as playlists do; and FFmpeg would show plain text as a
film of a terminal."""


def open_container(path: Path) -> InputContainer:
    """A file, opened for reading; close it, or use it in a `with`.

    Raises:
        FFmpegError, OSError: it cannot be opened, or is none of `FORMATS`.
    """
    return av.open(str(path), options=_OPTIONS)


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover of a sound file is none."""
    return next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)


def origin_s(container: InputContainer) -> float:
    """The time stamp at which a clip of the whole file starts: that of the first frame, else of the first sound.

    One origin for all tracks keeps a sound track that starts late where it belongs.
    """
    stream = picture_stream(container) or next(iter(container.streams.audio), None)
    if stream is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)
