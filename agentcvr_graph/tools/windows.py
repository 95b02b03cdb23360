"""Check the windows of a call against the videos; shared by all tools that take windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from agentcvr_graph.errors import ActionError
from agentcvr_graph.render import plain
from agentcvr_graph.types import Modality, VideoInfo, Window

SHORTEST_WINDOW_S = 0.05
W = TypeVar("W", bound=Window)


def clip_window(window: W, videos: Sequence[VideoInfo], modality: Modality) -> W:
    """Return the part of a window that lies inside its video.

    Raises:
        ActionError: the video does not exist, cannot be read or lacks the modality, or nothing of the window is left.
    """
    info = find_video(window.video, videos)
    if modality == "visual" and not info.has_picture:
        raise ActionError(f"Video {info.number} has no picture; use listen.")
    if modality == "audio" and not (info.has_sound or info.has_subtitles):
        raise ActionError(f"Video {info.number} has no sound; use observe.")
    if window.end_s <= window.start_s:
        raise ActionError(
            f"The window {window.start_s:.1f}-{window.end_s:.1f} s of video {info.number} must end after its start."
        )
    start_s, end_s = max(0.0, window.start_s), min(info.duration_s, window.end_s)
    if end_s - start_s < SHORTEST_WINDOW_S:
        raise ActionError(
            f"The window {window.start_s:.1f}-{window.end_s:.1f} s lies outside video {info.number}, "
            f"which runs from 0.0 to {info.duration_s:.1f} s."
        )
    return window.model_copy(update={"start_s": start_s, "end_s": end_s})


def find_video(number: int, videos: Sequence[VideoInfo]) -> VideoInfo:
    """Return the readable video of that number.

    Raises:
        ActionError: there is no such video, or it cannot be read.
    """
    if not 1 <= number <= len(videos):
        known = "the only video is 1" if len(videos) == 1 else f"the videos are 1 to {len(videos)}"
        raise ActionError(f"There is no video {number}; {known}.")
    info = videos[number - 1]
    if info.problem:
        raise ActionError(f"Video {number} cannot be read: {plain(info.problem)}")
    return info
