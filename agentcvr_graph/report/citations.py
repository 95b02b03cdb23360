"""Match the citations of an answer with the observations, statements and frames that support them.

The page shows a citation in three places: its chip, its mark in the timeline and the evidence itself. They refer to
each other by the number of the citation, which is assigned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Citation, EvidenceKind, Observation, Window

NamedObservation = tuple[str, Observation]
"""An observation with its id on the page, `o1`, `o2`, ... in the order of the trajectory."""


@dataclass(frozen=True)
class NumberedCitation:
    """A citation of the answer, with its number and the observation that supports it."""

    number: int
    """Counts from 1, in the order of the answer."""
    citation: Citation
    observation: str
    """Id of the supporting observation; empty when no observation overlaps the citation."""


def named_observations(trajectory: Trajectory) -> list[NamedObservation]:
    """Return the observations of a trajectory with their ids on the page."""
    return [(f"o{number}", observation) for number, observation in enumerate(trajectory.observations, start=1)]


def second_looks(trajectory: Trajectory) -> list[Observation]:
    """Return what was observed to check citations."""
    return [one.observation for one in trajectory.verifications if one.observation is not None]


def number_citations(trajectory: Trajectory) -> list[NumberedCitation]:
    """Return the citations of the answer; none where there is no answer."""
    citations = trajectory.answer.citations if trajectory.answer else ()
    named = named_observations(trajectory)
    return [
        NumberedCitation(number, citation, _supporting_observation(citation, named))
        for number, citation in enumerate(citations, start=1)
    ]


def citing_frame(cited: Sequence[NumberedCitation], video: int, time_s: float) -> tuple[int, ...]:
    """Return the numbers of the citations that contain a frame."""
    return tuple(
        one.number
        for one in cited
        if one.citation.modality == "visual"
        and one.citation.video == video
        and one.citation.start_s <= time_s <= one.citation.end_s
    )


def citing_statement(cited: Sequence[NumberedCitation], modality: EvidenceKind, window: Window) -> tuple[int, ...]:
    """Return the numbers of the citations that overlap a statement by at least half of the shorter of the two.

    The shorter one decides because a citation may be part of a long statement, or contain a short one.
    """
    return tuple(
        one.number
        for one in cited
        if one.citation.modality == modality
        and 0 < _shorter_s(one.citation, window) <= 2 * one.citation.overlap_s(window)
    )


def _shorter_s(one: Window, other: Window) -> float:
    return min(one.duration_s, other.duration_s)


def _supporting_observation(citation: Citation, named: Sequence[NamedObservation]) -> str:
    """Return the id of the observation that overlaps a citation most, the shortest of equals; empty without any."""
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
