"""Where a video changes: its picture in parts that are still or moving, found by comparing frames every half second.

In: a clip. Out: parts in order of time, which fill the time that has a picture. No model is called: comparing small
pictures takes little time, and shows which parts need many frames. A still part needs two, however long it is.

- A cut, or a change between two still moments (a title appears), ends a part.
- Changes in a row are a moving part: from its frames the vision model itself finds out where something else begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.base import Clip
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.offline.motion import Sketch, difference, sketch_of
from agentcvr_graph.utils.cancellation import raise_if_cancelled

STEP_S = 0.5
"""Seconds between two frames that are compared."""
CHUNK = 64
"""Frames that are decoded at a time."""
CHANGED_SHARE = 0.001
"""Share of the pixels of a small picture from which it counts as changed: a short line of text appeared."""
STILL_FRAMES = 2
"""Frames of a still part: with fewer, nothing could be said of movement."""
LONGEST_STILL_S = 60.0
"""Longer still parts are looked at once more in each of these stretches: faint changes are not measured."""

Step = Literal["same", "changed", "cut"]


class Part(NamedTuple):
    """A stretch of a video that is looked at evenly."""

    start_s: float
    end_s: float
    moving: bool

    def frames(self, every_s: float) -> int:
        """Return how many frames to look at, where moving pictures are looked at every `every_s` seconds."""
        length_s = self.end_s - self.start_s
        return max(STILL_FRAMES, int(length_s / (every_s if self.moving else LONGEST_STILL_S)))


def most_frames(duration_s: float, every_s: float) -> int:
    """Return the largest number of frames that the parts of a video can need.

    >>> most_frames(90.0, 1.0)
    180
    """
    return math.ceil(STILL_FRAMES * duration_s / every_s)


def scan(clip: Clip, every_s: float) -> list[Part]:
    """Return the parts of a clip from its first picture to its last; none if it has no picture.

    Those whose picture cannot be decoded count as moving.

    Args:
        every_s: no part is shorter, and moving ones are looked at so often.
    """
    first_s, last_s = clip.info.picture_s
    if last_s <= first_s:
        return []
    last_s = min(clip.info.duration_s, max(last_s, first_s + every_s))
    times_s = [first_s + n * STEP_S for n in range(max(1, math.ceil((last_s - first_s) / STEP_S)))]
    steps: list[tuple[float, float, Step]] = []
    anchor: Sketch | None = None
    last: Sketch | None = None
    for frame in map(sketch_of, _frames(clip, times_s)):
        if anchor is not None and last is not None and frame.time_s > last.time_s:
            step = _step(anchor, last, frame)
            steps.append((last.time_s, frame.time_s, step))
            anchor = anchor if step == "same" else frame
        anchor, last = anchor or frame, frame
    return parts_of(steps, last_s, every_s, first_s)


def _frames(clip: Clip, times_s: Sequence[float]) -> Iterator[Frame]:
    for first in range(0, len(times_s), CHUNK):
        raise_if_cancelled()
        try:
            yield from clip.frames(times_s[first : first + CHUNK])
        except InfrastructureError:
            continue  # a damaged part; whoever looks at it gets the reason


def _step(anchor: Sketch, last: Sketch, frame: Sketch) -> Step:
    """Return the change since the last frame, or slowly since the frame with which the part began."""
    near = difference(last, frame)
    if near.cut:
        return "cut"
    slow = near.share <= CHANGED_SHARE and anchor is not last and difference(anchor, frame).share > CHANGED_SHARE
    return "changed" if slow or near.share > CHANGED_SHARE else "same"


def parts_of(
    steps: Sequence[tuple[float, float, Step]], end_s: float, least_s: float, start_s: float = 0.0
) -> list[Part]:
    """Return the parts of a picture from the steps between compared frames.

    Args:
        steps: time of the first and the second frame, and what changed.
        start_s, end_s: when the picture begins and ends.
        least_s: shorter parts belong to a neighbour.

    >>> steps = [(0, 1, "same"), (1, 2, "cut"), (2, 3, "changed"), (3, 4, "changed"), (4, 5, "same")]
    >>> [tuple(part) for part in parts_of(steps, 6, 1)]
    [(0.0, 1.5, False), (1.5, 3.5, True), (3.5, 6, False)]
    """
    parts: list[Part] = []
    moving = False
    edges = [*_edges(steps), (end_s, False)]
    for edge_s, moves in edges:
        if edge_s - start_s >= least_s or edge_s == end_s:
            parts.append(Part(start_s, edge_s, moving))
            start_s, moving = edge_s, moves
        else:
            moving = moving or moves
    return _without_short_end(parts, least_s)


def _edges(steps: Sequence[tuple[float, float, Step]]) -> Iterator[tuple[float, bool]]:
    """Yield where a part begins, in the middle of a step, and whether it moves."""
    moving = False
    following = [kind for *_, kind in (*steps[1:], *steps[-1:])]
    for (one_s, other_s, kind), after in zip(steps, following, strict=True):
        starts = kind == "cut" or (kind == "changed" and not moving)
        ends = kind == "changed" and moving and after == "same"
        if starts or ends:
            moving = after == "changed" and not ends
            yield (one_s + other_s) / 2, moving


def _without_short_end(parts: list[Part], least_s: float) -> list[Part]:
    """Return the parts with a last one that is too short joined to the one before."""
    if len(parts) > 1 and parts[-1].end_s - parts[-1].start_s < least_s:
        last = parts.pop()
        parts[-1] = Part(parts[-1].start_s, last.end_s, parts[-1].moving or last.moving)
    return parts
