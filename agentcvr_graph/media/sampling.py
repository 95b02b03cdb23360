"""Choose the times at which frames are sampled. Pure arithmetic.

Frames are sampled at the middles of equal parts of the window, each moved to the nearest point of a dyadic grid (steps
of ..., 4, 2, 1, 0.5, ... s, the largest step not above the spacing). A sample moves by at most half its spacing.
Overlapping windows of any size then request the same frames, which are already decoded. The same request always samples
the same times, independent of earlier requests.
"""

from __future__ import annotations

import math

FINEST_STEP_S = 1 / 16
"""Below this spacing the samples are not moved to the grid: such a request needs neighbouring frames, not reuse."""
DIRECTION_GAP_S = 1.5
"""Between frames further apart than this, the direction of a movement would be a guess, live and in scripts."""


def sample_times(start_s: float, end_s: float, frames: int) -> list[float]:
    """Return `frames` times inside [start_s, end_s), ascending.

    >>> sample_times(0.0, 40.0, 4)
    [8.0, 16.0, 24.0, 32.0]
    """
    spacing_s = (end_s - start_s) / frames
    middles = [start_s + (n + 0.5) * spacing_s for n in range(frames)]
    step_s = grid_step(spacing_s)
    if step_s < FINEST_STEP_S:
        return [round(middle_s, 3) for middle_s in middles]
    snapped = [round(middle_s / step_s) * step_s for middle_s in middles]
    inside = [
        grid_s if start_s <= grid_s < end_s else round(middle_s, 3)
        for grid_s, middle_s in zip(snapped, middles, strict=True)
    ]
    return sorted(inside) if len(set(inside)) == frames else [round(middle_s, 3) for middle_s in middles]


def grid_step(spacing_s: float) -> float:
    """Return the largest power of two, in seconds, that is not above the spacing."""
    return 2.0 ** math.floor(math.log2(spacing_s))
