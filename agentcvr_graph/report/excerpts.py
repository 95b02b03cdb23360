"""Excerpts of the evidence report for a notebook: the timeline alone, and the cited windows with their frames.

They use the same timelines, frames and statements as the page (`view.py`) and inherit the text colour of the notebook,
light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from agentcvr_graph.render import window_label
from agentcvr_graph.report.citations import (
    NumberedCitation,
    citing_frame,
    citing_statement,
    named_observations,
    number_citations,
)
from agentcvr_graph.report.notebook import Inline
from agentcvr_graph.report.pictures import Album, Picture, thin_out
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.report.tracks import MODALITY_VERBS, VideoTimeline, timelines_of
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.templates import html_environment

PICTURES = 3
"""Frames of one cited window."""
ROW_PX, TRACK_GAP_PX, HEAD_PX, FOOT_PX = 16, 5, 22, 24
_ENVIRONMENT = html_environment("agentcvr_graph.report")


@dataclass(frozen=True)
class CitedWindow:
    """A citation with the statements and frames that support it."""

    number: int
    label: str
    title: str
    how: str
    """`observed` or `listened`."""
    check: str
    """Verdict and claim of its check; empty if it was not checked."""
    statements: tuple[str, ...]
    pictures: tuple[Picture, ...]


def timeline(trajectory: Trajectory) -> Inline:
    """Draw a timeline of each video: the windows that were observed and listened to, and the cited ones."""
    named, cited = named_observations(trajectory), number_citations(trajectory)
    album = Album(None, trajectory.observations)
    timelines = timelines_of(trajectory, named, cited, album)
    tops = list(accumulate(map(_height_px, timelines), initial=0))
    template = _ENVIRONMENT.get_template("timeline.svg.j2")
    return Inline(
        template.render(
            timelines=list(zip(timelines, tops, strict=False)),
            height=tops[-1],
            row=ROW_PX,
            gap=TRACK_GAP_PX,
            head=HEAD_PX,
        )
    )


def cited_windows(trajectory: Trajectory, thumbnails: Thumbnails | None = None) -> Inline:
    """Show each window that the answer cites, with its statements and up to three of its frames."""
    found = list(_cited_windows(trajectory, thumbnails))
    return Inline(_ENVIRONMENT.get_template("cited.html.j2").render(windows=found))


def _height_px(video: VideoTimeline) -> int:
    tracks = 0 if video.problem else sum(track.rows * ROW_PX + TRACK_GAP_PX for track in video.tracks)
    return HEAD_PX + tracks + FOOT_PX


def _cited_windows(trajectory: Trajectory, thumbnails: Thumbnails | None) -> Iterator[CitedWindow]:
    album = Album(thumbnails, trajectory.observations)
    for one in number_citations(trajectory):
        info = trajectory.video(one.citation.video)
        yield CitedWindow(
            number=one.number,
            label=window_label(one.citation),
            title=info.title,
            how=MODALITY_VERBS[one.citation.modality],
            check=_check(trajectory, one),
            statements=tuple(dict.fromkeys(_statements(trajectory, one))),
            pictures=tuple(album.pictures(info, _times_s(trajectory, one))),
        )


def _check(trajectory: Trajectory, cited: NumberedCitation) -> str:
    check = trajectory.verification_of(cited.citation)
    return "" if check is None else f"{check.verdict}: {check.citation.claim or 'no claim'}"


def _statements(trajectory: Trajectory, cited: NumberedCitation) -> Iterator[str]:
    """Yield the statements of the supporting observation only: others of the same window repeat them."""
    for name, observation in named_observations(trajectory):
        for evidence in observation.evidence if name == cited.observation else ():
            if evidence.window and citing_statement([cited], observation.modality, evidence.window):
                yield evidence.text


def _times_s(trajectory: Trajectory, cited: NumberedCitation) -> list[float]:
    """Return the times of the observed frames in a cited window, or its middle where only sound was used."""
    observed = {
        time_s
        for observation in trajectory.observations
        for window, times_s in zip(observation.windows, observation.frame_times_s, strict=False)
        for time_s in times_s
        if citing_frame([cited], window.video, time_s)
    }
    middle_s = (cited.citation.start_s + cited.citation.end_s) / 2
    return thin_out(sorted(observed), PICTURES) or [middle_s]
