"""Opening media files with FFmpeg's libraries, through PyAV: what may be opened, and where its time starts.

Everything that opens a file comes through here, so that frames, sound and subtitles share
one clock and one set of rules.
"""

# PyAV's stubs leave several attributes open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

FORMATS = (
    "mov,matroska,webm,avi,flv,mpeg,mpegts,ogg,asf,mxf,nut,ivf,rm,dv,wtv,gif,h264,hevc,"
    "wav,w64,mp3,aac,flac,aiff,caf,amr,ac3,eac3"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
"""A file may not make the decoder open another file or address, as playlists do; and FFmpeg would show plain text as a
film of a terminal."""


def open_container(path: Path, max_pixels: int | None = None) -> InputContainer:
    """A file, opened for reading; close it, or use it in a `with`.

    Args:
        max_pixels: the largest picture that is decoded, also where pictures grow on the way; None for any.

    Raises:
        FFmpegError, OSError: it cannot be opened, or is none of `FORMATS`.
    """
    container = av.open(str(path), options=_OPTIONS, metadata_errors="replace")  # titles need not be UTF-8
    for stream in container.streams.video if max_pixels else ():
        if known(stream):
            stream.codec_context.options = {"max_pixels": str(max_pixels)}
    return container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover of a sound file is none, and what no decoder knows is none."""
    found = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next((s for s in found if known(s)), None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track that a decoder knows."""
    return next((s for s in container.streams.audio if known(s)), None)


def known(stream: Stream) -> bool:
    """Whether there is a decoder; PyAV's types say that there always is."""
    return stream.codec_context is not None  # pyright: ignore[reportUnnecessaryComparison]


def origin_s(container: InputContainer) -> float:
    """The time stamp at which a clip of the whole file starts: that of the first frame, else of the first sound.

    One origin for all tracks keeps a sound track that starts late where it belongs.
    """
    stream = picture_stream(container) or sound_stream(container)
    if stream is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def why(error: Exception) -> str:
    """What a decoder says went wrong, without the path: decord's messages are stack traces, FFmpeg's name the file."""
    said = str(getattr(error, "strerror", None) or error)
    return next(iter(said.splitlines()), "") or type(error).__name__
