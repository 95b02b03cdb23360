"""Open media files with FFmpeg's libraries through PyAV: which formats are allowed, and where time starts.

Everything that opens a file with PyAV uses this module, so frames, sound and subtitles share one time origin and one
set of allowed formats.
"""

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
"""A file must not make the decoder open another file or address, as playlists do. Without the list of formats FFmpeg
would also decode plain text, as a video of a terminal."""


def open_container(path: Path, max_pixels: int | None = None) -> InputContainer:
    """Open a file for reading. The caller closes it, or uses it in a `with`.

    Args:
        max_pixels: the largest picture that is decoded, also where the size changes within the file; None for any.

    Raises:
        FFmpegError, OSError: the file cannot be opened, or its format is not in `FORMATS`.
    """
    container = av.open(str(path), options=_OPTIONS, metadata_errors="replace")  # titles need not be UTF-8
    for stream in container.streams.video if max_pixels else ():
        if known(stream):
            stream.codec_context.options = {"max_pixels": str(max_pixels)}
    return container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first video stream that has a decoder; the cover picture of a sound file does not count."""
    found = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next((s for s in found if known(s)), None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Return the first sound track that has a decoder."""
    return next((s for s in container.streams.audio if known(s)), None)


def known(stream: Stream) -> bool:
    """Return whether the stream has a decoder; PyAV's types claim that it always has."""
    return stream.codec_context is not None  # pyright: ignore[reportUnnecessaryComparison]


def origin_s(container: InputContainer) -> float:
    """Return the time stamp at which the file starts: that of the first frame, or else of the first sound.

    All tracks share this origin, so a sound track that starts late stays in sync.
    """
    stream = picture_stream(container) or sound_stream(container)
    if stream is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def why(error: Exception) -> str:
    """Return the first line of a decoder's error, without the path: decord adds a stack trace, FFmpeg the file name."""
    said = str(getattr(error, "strerror", None) or error)
    return next(iter(said.splitlines()), "") or type(error).__name__
