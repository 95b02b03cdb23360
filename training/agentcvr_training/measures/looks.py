"""Where a master looked and listened, and how much of the decisive evidence was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Citation, Modality, Observation, Window


class Look(BaseModel):
    """One window that was observed or listened to."""

    turn: int
    """From 1."""
    modality: Modality
    video: int
    start_s: float
    end_s: float
    frames: int = 0
    """0 for sound."""


def looks_of(trajectory: Trajectory) -> list[Look]:
    """Return the windows of a trajectory, in order."""
    return [look for number, observation in _observations(trajectory) for look in _looks(number, observation)]


def _observations(trajectory: Trajectory) -> Iterator[tuple[int, Observation]]:
    for turn in trajectory.turns:
        for action in turn.actions:
            if action.observation is not None:
                yield turn.number, action.observation


def _looks(turn: int, observation: Observation) -> Iterator[Look]:
    if observation.modality == "index":
        return
    for window, frames in _windows(observation):
        yield Look(turn=turn, modality=observation.modality, frames=len(frames), **window.model_dump())


def _windows(observation: Observation) -> Iterator[tuple[Window, Sequence[float]]]:
    """Yield each window with the times of its frames; none for sound, and where nothing can be seen."""
    times = observation.frame_times_s or ((),) * len(observation.windows)
    yield from zip(observation.windows, times, strict=True)


def hit_rate(script: Script, trajectory: Trajectory) -> float:
    """Return the share of the decisive seconds of a script that a master saw or heard; 0 if there are none.

    A decisive window of the picture counts whole if a frame falls into it, because a scene does not change inside it;
    of a decisive window of the sound, the seconds count that were listened to.
    """
    observations = [observation for _, observation in _observations(trajectory)]
    whole_s = sum(proof.end_s - proof.start_s for proof in script.evidence)
    return sum(_met_s(proof, observations) for proof in script.evidence) / whole_s if whole_s else 0.0


def _met_s(proof: Citation, observations: Sequence[Observation]) -> float:
    """Return the seconds of a decisive window that were seen or heard."""
    own = [one for one in observations if one.modality == proof.modality]
    if proof.modality == "visual":
        seen = any(
            proof.start_s <= time_s < proof.end_s
            for one in own
            for window, times_s in _windows(one)
            if window.video == proof.video
            for time_s in times_s
        )
        return proof.end_s - proof.start_s if seen else 0.0
    spans = [
        (max(window.start_s, proof.start_s), min(window.end_s, proof.end_s))
        for one in own
        for window in one.windows
        if window.video == proof.video
    ]
    return covered_s(spans)


def covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """Return the seconds that intervals cover together; an interval that ends before it starts covers nothing.

    >>> covered_s([(0, 4), (2, 6), (9, 8)])
    6.0
    """
    total_s, reached_s = 0.0, float("-inf")
    for start_s, end_s in sorted(spans):
        total_s += max(0.0, end_s - max(start_s, reached_s))
        reached_s = max(reached_s, end_s)
    return total_s
