"""Budgets that bind: a share of what it would cost to look at everything closely and to hear everything.

A master that can afford everything learns to look at everything. So an episode may get between 15 and 100 % of the full
cost (`CVRContext.with_share_of`), and masters are compared over that whole range. The graph states the budget to the
master as it states any other.
"""

from __future__ import annotations

import math
import random

from agentcvr_graph.scripts.schema import Script, ScriptedVideo
from agentcvr_graph.types import Cost

SHARES = (0.15, 1.0)
"""Least and greatest share of the full cost that an episode is given."""
CLOSEST_S = 2.0
"""Looking more often than every so many seconds counts as looking at everything."""


def full_cost(script: Script) -> Cost:
    """Return the cost of frames so close that none of a video's scenes falls between two of them, and of all sound.

    >>> from agentcvr_graph.scripts.generators.procedural import make_script
    >>> full_cost(make_script("SPOT", 0)).frames > 100
    True
    """
    frames = sum(math.ceil(video.duration_s / _interval_s(video)) for video in script.videos)
    return Cost(frames=frames, audio_s=sum(video.duration_s for video in script.videos if video.has_sound))


def _interval_s(video: ScriptedVideo) -> float:
    shortest_s = min((scene.end_s - scene.start_s for scene in video.scenes), default=video.duration_s)
    return max(CLOSEST_S, shortest_s)


def drawn_share(shares: tuple[float, float], seed: int) -> float:
    """Draw a share between two, all equally likely; the same seed gives the same share."""
    return round(random.Random(f"budget/{seed}").uniform(*shares), 3)
