"""Split a video's sound into cells for transcription, and find the cells of a window.

A cell is about 15 s long and is cut where the sound is quietest, independent of the requested window. The transcript of
a moment therefore never depends on earlier requests, and overlapping windows are transcribed once.
"""

from __future__ import annotations

import math

from agentcvr_graph.media.base import Clip
from agentcvr_graph.media.sound import quietest_s
from agentcvr_graph.media.types import SAMPLE_RATE_HZ
from agentcvr_graph.models.base import Sound
from agentcvr_graph.types import Window

CELL_S = 15.0
"""Nominal length of a cell, in seconds."""
CUT_REACH_S = 1.5
"""Farthest that a cut between two cells may move to a quiet moment, in seconds."""


def cells_of(window: Window, duration_s: float) -> range:
    """Return the numbers of the cells that may hold words of a window."""
    first = max(0, math.floor((window.start_s - CUT_REACH_S) / CELL_S))
    last = min(math.ceil(duration_s / CELL_S), math.ceil((window.end_s + CUT_REACH_S) / CELL_S))
    return range(first, max(last, first + 1))


def cell_window(video: int, number: int) -> Window:
    return Window(video=video, start_s=number * CELL_S, end_s=(number + 1) * CELL_S)


def cell_sound(media: Clip, number: int) -> Sound:
    """Return the sound of one cell, cut at the quietest moments near its nominal start and end."""
    duration_s = media.info.duration_s
    begin_s = max(0.0, number * CELL_S - CUT_REACH_S)
    finish_s = min(duration_s, (number + 1) * CELL_S + CUT_REACH_S)
    samples = media.sound(begin_s, finish_s)
    start_s = 0.0 if number == 0 else begin_s + quietest_s(samples[: _n(2 * CUT_REACH_S)])
    end_s = finish_s
    if (number + 1) * CELL_S < duration_s:
        tail_s = max(begin_s, (number + 1) * CELL_S - CUT_REACH_S)
        end_s = tail_s + quietest_s(samples[_n(tail_s - begin_s) :])
    inside = samples[_n(start_s - begin_s) : _n(end_s - begin_s)]
    return Sound(Window(video=1, start_s=start_s, end_s=end_s), inside, (), media.info.content_id)


def _n(time_s: float) -> int:
    return round(time_s * SAMPLE_RATE_HZ)
