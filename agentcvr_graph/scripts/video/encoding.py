"""Encode pictures and samples into an MP4 file, H.264 and AAC, with FFmpeg's libraries."""

# PyAV's stubs leave several attributes open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av

from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Pixels, Samples
from agentcvr_graph.scripts.schema import FPS, PICTURE_SIZE
from agentcvr_graph.scripts.video.sound import pcm
from agentcvr_graph.utils.files import atomic_write

KEY_FRAME_S = 1
QUALITY = {"preset": "veryfast", "crf": "26"}


def encode(path: Path, pictures: Iterable[Pixels], sound: Samples) -> None:
    """Write a video. The file appears under its name only when it is complete."""
    options = {"movflags": "+faststart"}
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=int(FPS), options=QUALITY)
        video.width, video.height = PICTURE_SIZE
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = int(KEY_FRAME_S * FPS)
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for n, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, int(FPS))
            container.mux(video.encode(frame))
        container.mux(video.encode())
        position = 0
        for piece in pcm(sound):
            heard = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE_HZ, position, Fraction(1, SAMPLE_RATE_HZ)
            position += piece.shape[1]
            container.mux(audio.encode(heard))
        container.mux(audio.encode())
