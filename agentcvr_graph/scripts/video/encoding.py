"""Encode pictures and samples into an MP4 file, H.264 and AAC, with FFmpeg's libraries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeVar

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Pixels, Samples
from agentcvr_graph.scripts.schema import FPS, PICTURE_SIZE
from agentcvr_graph.scripts.video.sound import pcm
from agentcvr_graph.utils.files import atomic_write

KEY_FRAME_S = 1
QUALITY = {"preset": "veryfast", "crf": "26"}
_Frame = TypeVar("_Frame", contravariant=True)


class _Encoder(Protocol[_Frame]):
    """Turns frames of one kind into packets; PyAV's stubs leave the type of the packets open."""

    def encode(self, frame: _Frame | None = None) -> Sequence[Packet[Any]]:
        """Return the packets that are complete; without a frame, return the remaining ones."""
        ...


def encode(path: Path, pictures: Iterable[Pixels], sound: Samples, size: tuple[int, int] = PICTURE_SIZE) -> None:
    """Write a video of pictures of one size, or sound alone if the size is 0 x 0.

    The file appears under its name only when it is complete.
    """
    options = {"movflags": "+faststart"}
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format="mp4", options=options) as container:
        video = _video_stream(container, size) if any(size) else None
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")  # pyright: ignore[reportUnknownMemberType]
        if video is not None:
            _write_pictures(container, video, pictures)
        position = 0
        for piece in pcm(sound):
            heard = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE_HZ, position, Fraction(1, SAMPLE_RATE_HZ)
            position += piece.shape[1]
            _write(container, audio, heard)
        _write(container, audio)


def _video_stream(container: OutputContainer, size: tuple[int, int]) -> VideoStream:
    video = container.add_stream("libx264", rate=int(FPS), options=QUALITY)  # pyright: ignore[reportUnknownMemberType]
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.codec_context.gop_size = int(KEY_FRAME_S * FPS)
    return video


def _write_pictures(container: OutputContainer, video: VideoStream, pictures: Iterable[Pixels]) -> None:
    for n, pixels in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = n, Fraction(1, int(FPS))
        _write(container, video, frame)
    _write(container, video)


def _write(container: OutputContainer, encoder: _Encoder[_Frame], frame: _Frame | None = None) -> None:
    """Encode a frame and write its packets; without a frame, write the packets that the encoder still holds."""
    container.mux(encoder.encode(frame))  # pyright: ignore[reportUnknownMemberType]
