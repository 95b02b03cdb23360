"""Which observation a citation rests on, and which statements and frames lie inside it.

The page shows a citation in three places (its chip, its mark in the lane, the evidence itself); all three find each
other by the citation's number, which is given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Citation, Modality, Observation, Window

NamedObservation = tuple[str, Observation]
"""An observation with its id on the page, `o1`, `o2`, ... in the order of the trajectory."""


@dataclass(frozen=True)
class Cited:
    """A citation of the answer, and the observation that it rests on."""

    number: int
    """From 1, in the order of the answer."""
    citation: Citation
    observation: str
    """Id of the observation; empty when none covers any of it."""


def named_observations(trajectory: Trajectory) -> list[NamedObservation]:
    return [(f"o{number}", observation) for number, observation in enumerate(trajectory.observations, start=1)]


def cited_of(trajectory: Trajectory) -> list[Cited]:
    """The answer's citations; none where there is no answer."""
    citations = trajectory.answer.citations if trajectory.answer else ()
    named = named_observations(trajectory)
    return [Cited(number, citation, _rests_on(citation, named)) for number, citation in enumerate(citations, start=1)]


def citing_frame(cited: Sequence[Cited], video: int, time_s: float) -> tuple[int, ...]:
    """Numbers of the citations that a frame lies in."""
    return tuple(
        one.number
        for one in cited
        if one.citation.modality == "visual"
        and one.citation.video == video
        and one.citation.start_s <= time_s <= one.citation.end_s
    )


def citing_statement(cited: Sequence[Cited], modality: Modality, window: Window) -> tuple[int, ...]:
    """Numbers of the citations that share at least half of the shorter of the two: of the statement or of the citation.

    A citation may be a part of a long statement, and a short statement a part of a citation.
    """
    return tuple(
        one.number
        for one in cited
        if one.citation.modality == modality
        and 0 < _shorter_s(one.citation, window) <= 2 * one.citation.overlap_s(window)
    )


def _shorter_s(one: Window, other: Window) -> float:
    return min(one.duration_s, other.duration_s)


def _rests_on(citation: Citation, named: Sequence[NamedObservation]) -> str:
    """Id of the observation that covers most of a citation, the closest look of equals; empty when there is none."""
    found = [
        (_shared_s(citation, observation), -_length_s(observation), number)
        for number, (_, observation) in enumerate(named)
        if observation.modality == citation.modality and _shared_s(citation, observation) > 0
    ]
    return named[max(found)[2]][0] if found else ""


def _shared_s(window: Window, observation: Observation) -> float:
    return max(window.overlap_s(other) for other in observation.windows)


def _length_s(observation: Observation) -> float:
    return sum(window.duration_s for window in observation.windows)
