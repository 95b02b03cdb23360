"""Which frames of an observation are shown, and how many: enough to check the evidence, few enough to mail the file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.report.citations import Cited, citing_frame
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.types import Observation, VideoInfo

MAX_PER_WINDOW = 8
"""Pictures of one window; more would say little and weigh much."""
MIN_PER_WINDOW = 2
MAX_PER_REPORT = 200
"""Pictures of all windows together: some 2 MB of them."""


@dataclass(frozen=True)
class Picture:
    """A thumbnail."""

    time_s: float
    data_uri: str
    cited: tuple[int, ...] = ()
    """Numbers of the citations that it lies in."""

    @property
    def time(self) -> str:
        return f"{self.time_s:.1f} s"


class Album:
    """Takes each picture of a report once, and knows how many a window may have."""

    def __init__(self, thumbnails: Thumbnails | None, observations: Sequence[Observation]) -> None:
        windows = sum(len(observation.frame_times_s) for observation in observations)
        self._thumbnails = thumbnails
        self.per_window = max(MIN_PER_WINDOW, min(MAX_PER_WINDOW, MAX_PER_REPORT // max(1, windows)))
        self._taken: dict[tuple[int, float], str] = {}

    def pictures(self, info: VideoInfo, times_s: Sequence[float], cited: Sequence[Cited] = ()) -> list[Picture]:
        """The pictures at these times, without those that cannot be had."""
        found = [(time_s, self._data_uri(info, time_s)) for time_s in times_s]
        return [Picture(time_s, uri, citing_frame(cited, info.number, time_s)) for time_s, uri in found if uri]

    def _data_uri(self, info: VideoInfo, time_s: float) -> str:
        """The picture as an address that holds it; empty where there is none."""
        if self._thumbnails is None:
            return ""
        key = (info.number, time_s)
        if key not in self._taken:
            jpeg = self._thumbnails.thumbnail(info.video, time_s)
            self._taken[key] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
        return self._taken[key]


def chosen_times(times_s: Sequence[float], video: int, cited: Sequence[Cited], most: int) -> list[float]:
    """At most `most` of the times, evenly chosen: the cited ones first, the others as the context they stand in."""
    inside = [time_s for time_s in times_s if citing_frame(cited, video, time_s)]
    outside = [time_s for time_s in times_s if time_s not in inside]
    kept = thinned(inside, most)
    return sorted([*kept, *thinned(outside, most - len(kept))])


def thinned(times_s: Sequence[float], most: int) -> list[float]:
    """At most `most` of the times, evenly chosen, the first and the last among them.

    >>> thinned([0, 1, 2, 3, 4, 5, 6], 3)
    [0, 3, 6]
    """
    if len(times_s) <= most:
        return list(times_s)
    if most < 2:
        return list(times_s[:most])
    step = (len(times_s) - 1) / (most - 1)
    return [times_s[round(n * step)] for n in range(most)]
