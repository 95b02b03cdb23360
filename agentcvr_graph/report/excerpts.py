"""Excerpts of the evidence report for a notebook: the timeline alone, and the cited windows with their pictures.

They show the same lanes, pictures and statements as the page (`view.py`), laid out in a few lines that take on the
notebook's own colours, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from agentcvr_graph.render import window_label
from agentcvr_graph.report.citations import Cited, cited_of, citing_frame, citing_statement, named_observations
from agentcvr_graph.report.notebook import Inline
from agentcvr_graph.report.pictures import Album, Picture, thinned
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.report.tracks import Lane, lane_of
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.templates import html_environment

PICTURES = 3
"""Of one cited window."""
ROW_PX, TRACK_GAP_PX, HEAD_PX, FOOT_PX = 16, 5, 22, 24
_ENVIRONMENT = html_environment("agentcvr_graph.report")


@dataclass(frozen=True)
class CitedWindow:
    """A citation with what was found there."""

    number: int
    label: str
    title: str
    sense: str
    statements: tuple[str, ...]
    pictures: tuple[Picture, ...]


def timeline(trajectory: Trajectory) -> Inline:
    """A drawing of the videos as lanes: the windows that were looked at and listened to, and those that are cited."""
    named, cited = named_observations(trajectory), cited_of(trajectory)
    album = Album(None, trajectory.observations)
    lanes = [lane_of(info, named, cited, album) for info in trajectory.videos]
    tops = list(accumulate(map(_height_px, lanes), initial=0))
    template = _ENVIRONMENT.get_template("timeline.svg.j2")
    return Inline(
        template.render(
            lanes=list(zip(lanes, tops, strict=False)),
            height=tops[-1],
            row=ROW_PX,
            gap=TRACK_GAP_PX,
            head=HEAD_PX,
        )
    )


def cited_windows(trajectory: Trajectory, thumbnails: Thumbnails | None = None) -> Inline:
    """What the answer cites: each window with the statements that were found in it, and up to three of its frames."""
    found = list(_cited_windows(trajectory, thumbnails))
    return Inline(_ENVIRONMENT.get_template("cited.html.j2").render(windows=found))


def _height_px(lane: Lane) -> int:
    tracks = 0 if lane.problem else sum(track.rows * ROW_PX + TRACK_GAP_PX for track in lane.tracks)
    return HEAD_PX + tracks + FOOT_PX


def _cited_windows(trajectory: Trajectory, thumbnails: Thumbnails | None) -> Iterator[CitedWindow]:
    album = Album(thumbnails, trajectory.observations)
    for one in cited_of(trajectory):
        info = trajectory.videos[one.citation.video - 1]
        yield CitedWindow(
            number=one.number,
            label=window_label(one.citation),
            title=info.title,
            sense="seen" if one.citation.modality == "visual" else "heard",
            statements=tuple(dict.fromkeys(_statements(trajectory, one))),
            pictures=tuple(album.pictures(info, _times_s(trajectory, one))),
        )


def _statements(trajectory: Trajectory, cited: Cited) -> Iterator[str]:
    """Of the observation that the citation rests on: other looks at the window say the same again."""
    for name, observation in named_observations(trajectory):
        for evidence in observation.evidence if name == cited.observation else ():
            if evidence.window and citing_statement([cited], observation.modality, evidence.window):
                yield evidence.text


def _times_s(trajectory: Trajectory, cited: Cited) -> list[float]:
    """The frames that were seen there; for a window in which something was heard, and no frame was, its middle."""
    seen = {
        time_s
        for observation in trajectory.observations
        for window, times_s in zip(observation.windows, observation.frame_times_s, strict=False)
        for time_s in times_s
        if citing_frame([cited], window.video, time_s)
    }
    middle_s = (cited.citation.start_s + cited.citation.end_s) / 2
    return thinned(sorted(seen), PICTURES) or [middle_s]
