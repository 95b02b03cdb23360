"""What share of a master's calls the graph accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agentcvr_graph.trajectory import Action, Trajectory


def accepted(trajectories: Iterable[Trajectory]) -> Counter[bool]:
    """Count the calls that were carried out or recorded (True), and refused ones and turns without a call (False)."""
    return Counter(
        verdict
        for trajectory in trajectories
        for turn in trajectory.turns
        for verdict in ([_is_accepted(action) for action in turn.actions] or [False])
    )


def _is_accepted(action: Action) -> bool:
    return action.observation is not None or action.ends and not action.reply.startswith("error")
