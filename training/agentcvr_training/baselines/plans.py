"""Plans that decide where to look before there is any evidence: fixed schedules, random looks, everything thinned.

A plan knows what the brief says: how long the videos are and what the budget is. All its looks fit into one turn,
because no later look depends on an earlier one.

- `SCHEDULES`: 50 fixed schedules, each a way to spend the frames and a way to spend the sound. The best of them for a
  task and a budget, chosen on training scripts, is the **best constant**: what a policy that looks by its evidence has
  to beat.
- `THINNED`: everything, thinned evenly to the budget; one of the schedules.
- `random_looks`: short windows at random places until the budget is spent.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.models.offline.master.reading import Clip, Reading

Call = dict[str, Any]
Plan = Callable[[Reading], list[Call]]
"""Returns the tool calls of the only turn that looks, from the brief."""
Part = tuple[float, float]
"""A part of a video, as shares of its length."""
SHORTEST_S = 1.0
"""Shorter windows of sound are left out: the budget is spent."""
HEARD_S = 10.0
"""Length of the windows in which sound is spread."""
SEEN_S, SEEN_FRAMES = 20.0, 4
"""Least length and frames of a random look."""
MOST_LOOKS = 12
"""Most random windows for each sense; a larger budget makes them longer, because the answer needs room after them."""

FRAMES: Mapping[str, Part | None] = {
    "whole": (0.0, 1.0),
    "first half": (0.0, 0.5),
    "second half": (0.5, 1.0),
    "first third": (0.0, 1 / 3),
    "middle third": (1 / 3, 2 / 3),
    "last third": (2 / 3, 1.0),
    "no frames": None,
}
"""The part of each video on which the frames are spent, evenly."""
Sound = Callable[[Clip, float], list[tuple[float, float]]]
"""Returns the windows of one video that are listened to, given its share of the budget in seconds."""


def _from_start(limit_s: float) -> Sound:
    return lambda clip, left_s: [(0.0, min(limit_s, left_s, clip.duration_s))]


def _from(share: float) -> Sound:
    def windows(clip: Clip, left_s: float) -> list[tuple[float, float]]:
        start_s = share * clip.duration_s
        return [(start_s, min(start_s + left_s, clip.duration_s))]

    return windows


def _spread(clip: Clip, left_s: float) -> list[tuple[float, float]]:
    """Return windows at even distances that use the budget; the whole video if the budget reaches."""
    if left_s >= clip.duration_s:
        return [(0.0, clip.duration_s)]
    count = max(1, int(left_s / HEARD_S))
    length_s = min(HEARD_S, left_s)
    step_s = clip.duration_s / count
    return [(n * step_s, min(clip.duration_s, n * step_s + length_s)) for n in range(count)]


def _nothing(clip: Clip, left_s: float) -> list[tuple[float, float]]:
    return []


SOUND: Mapping[str, Sound] = {
    "the first 10 s": _from_start(10.0),
    "the first 20 s": _from_start(20.0),
    "the first 40 s": _from_start(40.0),
    "from the start": _from_start(float("inf")),
    "from the middle": _from(0.5),
    "from three quarters": _from(0.75),
    "spread": _spread,
    "no sound": _nothing,
}
"""Which sound of each video is listened to."""


@dataclass(frozen=True)
class Schedule:
    """A fixed way to spend a budget, the same for every question."""

    frames: str
    """A key of `FRAMES`."""
    sound: str
    """A key of `SOUND`."""

    @property
    def name(self) -> str:
        return f"frames: {self.frames}; sound: {self.sound}"

    def __call__(self, reading: Reading) -> list[Call]:
        """Return the calls for a question; each video gets an equal part of the budget."""
        clips = reading.readable
        frames = int(reading.left.get("frames", 0) / max(1, len(clips)))
        sound_s = reading.left.get("audio seconds", 0.0) / max(1, len(clips))
        part = FRAMES[self.frames]
        calls = [_observe(clip, part[0] * clip.duration_s, part[1] * clip.duration_s, frames) for clip in clips if part]
        for clip in clips:
            windows = SOUND[self.sound](clip, sound_s) if clip.has_words else []
            calls += [_listen(clip, start_s, end_s) for start_s, end_s in windows if end_s - start_s >= SHORTEST_S]
        return calls if frames else [call for call in calls if call["name"] == "listen"]


THINNED = Schedule("whole", "spread")
SCHEDULES: Sequence[Schedule] = [
    Schedule(frames, sound)
    for frames, sound in itertools.product(FRAMES, SOUND)
    # Without frames one way to listen is enough of a start; and a plan without any look is none.
    if FRAMES[frames] is not None or sound in ("from the start", "spread")
]


def random_looks(reading: Reading) -> list[Call]:
    """Return random windows that spend the budget, drawn anew for every question."""
    rng = random.Random(reading.question)
    return [*_random_views(reading, rng), *_random_sounds(reading, rng)]


def _random_views(reading: Reading, rng: random.Random) -> Iterator[Call]:
    left = int(reading.left.get("frames", 0))
    each = max(SEEN_FRAMES, -(-left // MOST_LOOKS))
    while left > 0 and reading.readable:
        clip, frames = rng.choice(reading.readable), min(each, left)
        start_s, end_s = _random_window(clip, SEEN_S * each / SEEN_FRAMES, rng)
        yield _observe(clip, start_s, end_s, frames)
        left -= frames


def _random_sounds(reading: Reading, rng: random.Random) -> Iterator[Call]:
    spoken = [clip for clip in reading.readable if clip.has_words]
    left_s = reading.left.get("audio seconds", 0.0)
    each_s = max(HEARD_S, left_s / MOST_LOOKS)
    for _ in range(int(left_s / each_s) if spoken else 0):
        clip = rng.choice(spoken)
        yield _listen(clip, *_random_window(clip, each_s, rng))


def _random_window(clip: Clip, length_s: float, rng: random.Random) -> tuple[float, float]:
    start_s = rng.uniform(0.0, max(0.0, clip.duration_s - length_s))
    return start_s, min(clip.duration_s, start_s + length_s)


def _observe(clip: Clip, start_s: float, end_s: float, frames: int) -> Call:
    target = {"video": clip.number, "start_s": round(start_s, 1), "end_s": round(end_s, 1), "frames": max(1, frames)}
    return {"name": "observe", "args": {"targets": [target]}}


def _listen(clip: Clip, start_s: float, end_s: float) -> Call:
    window = {"video": clip.number, "start_s": round(start_s, 1), "end_s": round(end_s, 1)}
    return {"name": "listen", "args": window}
