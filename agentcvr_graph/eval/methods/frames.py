"""Distribute the frames of a single pass over the videos by CrossVid's protocol. Pure arithmetic.

Every video gets the same number of frames; the segments of one recording get frames in proportion to their length, by
largest remainders (the evaluation code of arXiv 2511.12263 does both).
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def share_frames(durations_s: Sequence[float], frames: int, *, evenly: bool) -> list[int]:
    """Return the number of frames for each video; at most `frames` in total.

    >>> share_frames([3.0, 2.0, 1.0], 10, evenly=False)
    [5, 3, 2]
    >>> share_frames([3.0, 2.0, 1.0], 10, evenly=True)
    [3, 3, 3]
    """
    if evenly:
        return [frames // len(durations_s)] * len(durations_s) if durations_s else []
    whole_s = sum(durations_s)
    if whole_s <= 0:
        return [0] * len(durations_s)
    ideal = [frames * duration_s / whole_s for duration_s in durations_s]
    shares = [math.floor(share) for share in ideal]
    largest = sorted(range(len(ideal)), key=lambda n: shares[n] - ideal[n])
    for n in largest[: frames - sum(shares)]:
        shares[n] += 1
    return shares
