"""Choose the frames that a report shows: enough to check the evidence, few enough to send the file by mail."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.report.citations import NumberedCitation, citing_frame
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.types import Observation, VideoInfo, Zoom

MAX_PER_WINDOW = 8
"""Frames of one window."""
MIN_PER_WINDOW = 2
MAX_PER_REPORT = 200
"""Frames of all windows together, about 2 MB."""
WHOLE = Zoom()


@dataclass(frozen=True)
class Picture:
    """A thumbnail with its time."""

    time_s: float
    data_uri: str
    cited: tuple[int, ...] = ()
    """Numbers of the citations that contain it."""
    close: bool = False
    """Whether it shows a close look."""

    @property
    def time(self) -> str:
        return f"{self.time_s:.1f} s"


class Album:
    """Thumbnails of one report: decodes each moment once and limits the number per window."""

    def __init__(self, thumbnails: Thumbnails | None, observations: Sequence[Observation]) -> None:
        windows = sum(len(observation.frame_times_s) for observation in observations)
        self._thumbnails = thumbnails
        self.per_window = max(MIN_PER_WINDOW, min(MAX_PER_WINDOW, MAX_PER_REPORT // max(1, windows)))
        self._taken: dict[tuple[int, float, Zoom], str] = {}

    def pictures(
        self, info: VideoInfo, times_s: Sequence[float], cited: Sequence[NumberedCitation] = (), zoom: Zoom = WHOLE
    ) -> list[Picture]:
        """Return the thumbnails at these times, of the part of the picture that was shown; times without one are left
        out."""
        found = [(time_s, self._data_uri(info, time_s, zoom)) for time_s in times_s]
        close = bool(zoom.words)
        return [Picture(time_s, uri, citing_frame(cited, info.number, time_s), close) for time_s, uri in found if uri]

    def _data_uri(self, info: VideoInfo, time_s: float, zoom: Zoom) -> str:
        """Return a thumbnail as a data URI; empty where there is none."""
        if self._thumbnails is None:
            return ""
        key = (info.number, time_s, zoom)
        if key not in self._taken:
            thumbnail = self._thumbnails.thumbnail
            jpeg = thumbnail(info.video, time_s, zoom) if zoom.words else thumbnail(info.video, time_s)
            self._taken[key] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
        return self._taken[key]


def select_times(times_s: Sequence[float], video: int, cited: Sequence[NumberedCitation], most: int) -> list[float]:
    """Return at most `most` of the times, evenly spread: cited ones first, then others as their context."""
    inside = [time_s for time_s in times_s if citing_frame(cited, video, time_s)]
    outside = [time_s for time_s in times_s if time_s not in inside]
    kept = thin_out(inside, most)
    return sorted([*kept, *thin_out(outside, most - len(kept))])


def thin_out(times_s: Sequence[float], most: int) -> list[float]:
    """Return at most `most` of the times, evenly spread, with the first and the last.

    >>> thin_out([0, 1, 2, 3, 4, 5, 6], 3)
    [0, 3, 6]
    """
    if len(times_s) <= most:
        return list(times_s)
    if most < 2:
        return list(times_s[:most])
    step = (len(times_s) - 1) / (most - 1)
    return [times_s[round(n * step)] for n in range(most)]
