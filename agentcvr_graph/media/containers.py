"""Open media files with FFmpeg's libraries through PyAV: which formats are allowed, and where time starts.

Everything that opens a file with PyAV uses this module, so frames, sound and subtitles share one time origin and one
set of allowed formats.
"""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer

from agentcvr_graph.media.tracks import known

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


def origin_s(container: InputContainer) -> float:
    """Return the time stamp at which the file starts: the smallest of its tracks, which a player shows as 0.

    All tracks share this origin, so a track that starts late stays in sync.
    """
    return (container.start_time or 0) / av.time_base


def why(error: Exception) -> str:
    """Return the first line of a decoder's error, without the path: decord adds a stack trace, FFmpeg the file name."""
    said = str(getattr(error, "strerror", None) or error)
    return next(iter(said.splitlines()), "") or type(error).__name__
