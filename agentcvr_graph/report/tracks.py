"""The timelines of the report: for each video a time axis, its observed and listened windows, and a strip of frames.

Overlapping windows go into separate rows, so that each one is visible and can be clicked. Positions are percentages of
the axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.catalogue import LISTED
from agentcvr_graph.render import first_notes
from agentcvr_graph.report.citations import NamedObservation, NumberedCitation
from agentcvr_graph.report.notebook import MODALITY_VERBS
from agentcvr_graph.report.pictures import Album, Picture
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Modality, Observation, VideoInfo, Window, Zoom
from agentcvr_graph.utils.ticks import ticks

MIN_BAR_PERCENT = 1.0
"""Minimum width of a bar, so that a short window in a long video stays visible and clickable."""
STRIP_SLOTS = 8
_CLOCK_FROM_S = 120


@dataclass(frozen=True)
class Bar:
    """A window or a citation on the time axis."""

    opens: str
    """Id of the observation that a click opens; empty when there is none."""
    left: float
    width: float
    row: int
    """Counts from 0 at the top; bars of one row do not overlap."""
    name: str
    """The turn of a window or the number of a citation."""
    label: str


@dataclass(frozen=True)
class Track:
    """The windows of one modality, with the cited windows over them."""

    modality: Modality
    bars: Sequence[Bar]
    marks: Sequence[Bar]

    @property
    def name(self) -> str:
        """Return the label of the track."""
        return MODALITY_VERBS[self.modality]

    @property
    def rows(self) -> int:
        """Return the number of rows, at least 1."""
        return max((bar.row + 1 for bar in self.bars), default=1)


@dataclass(frozen=True)
class VideoTimeline:
    """The time axis of one video."""

    number: int
    title: str
    detail: str
    problem: str
    notes: Sequence[str]
    """Which of several tracks is used, and what was found when the video was opened."""
    ticks: Sequence[tuple[float, str]]
    tracks: Sequence[Track]
    strip: Sequence[Picture | None]
    """For each eighth of the video a frame or None; empty when no frame was observed."""

    @property
    def looked_at(self) -> bool:
        """Whether a window of it was observed, listened to or cited."""
        return any(track.bars or track.marks for track in self.tracks)


def timelines_of(
    trajectory: Trajectory, named: Sequence[NamedObservation], cited: Sequence[NumberedCitation], album: Album
) -> list[VideoTimeline]:
    """Return the timelines of the videos; of more than a brief lists, of those alone that were observed or cited."""
    windows = [window for _, observation in named for window in observation.windows]
    looked_at = {window.video for window in (*windows, *(one.citation for one in cited))}
    every = trajectory.video_count <= LISTED
    shown = [info for info in trajectory.videos if every or info.number in looked_at]
    return [timeline_of(info, named, cited, album) for info in shown]


def timeline_of(
    info: VideoInfo, named: Sequence[NamedObservation], cited: Sequence[NumberedCitation], album: Album
) -> VideoTimeline:
    """Return the timeline of one video."""
    return VideoTimeline(
        number=info.number,
        title=info.title,
        detail=_detail(info),
        problem=info.problem,
        notes=[*_chosen(info), *first_notes(info.notes)],
        ticks=ticks(info.duration_s),
        tracks=[_track(modality, info, named, cited) for modality in ("visual", "audio")],
        strip=_strip(info, [observation for _, observation in named], cited, album),
    )


def _detail(info: VideoInfo) -> str:
    size = f"{info.width}x{info.height}" if info.has_picture else "no picture"
    sound = "sound" if info.has_sound else "no sound"
    clock = f" ({_clock(info.duration_s)})" if info.duration_s >= _CLOCK_FROM_S else ""
    return f"{info.duration_s:.1f} s{clock}, {size}, {sound}{', subtitles' if info.has_subtitles else ''}"


def _chosen(info: VideoInfo) -> list[str]:
    """Return which track is used, where there are several."""
    named = [("picture", info.tracks.picture), ("sound", info.tracks.sound), ("subtitles", info.tracks.subtitles)]
    return [f"{what}: {track}" for what, track in named if track and not track.partition(" (")[0].endswith(" of 1")]


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _track(
    modality: Modality, info: VideoInfo, named: Sequence[NamedObservation], cited: Sequence[NumberedCitation]
) -> Track:
    bars = [
        _bar(window, info, name, str(observation.turn), _look_label(window, zoom, observation))
        for name, observation in named
        for window, zoom in observation.looks
        if observation.modality == modality and window.video == info.number
    ]
    marks = [
        _bar(one.citation, info, one.observation, str(one.number), _citation_label(one))
        for one in cited
        if one.citation.modality == modality and one.citation.video == info.number
    ]
    return Track(modality, assign_rows(bars), marks)


def _look_label(window: Window, zoom: Zoom, observation: Observation) -> str:
    verb = MODALITY_VERBS[observation.modality]
    closely = f", {zoom.words}" if zoom.words else ""
    return f"turn {observation.turn}: {verb} {window.start_s:.1f}-{window.end_s:.1f} s{closely}"


def _citation_label(one: NumberedCitation) -> str:
    return f"citation {one.number}: {one.citation.start_s:.1f}-{one.citation.end_s:.1f} s"


def _bar(window: Window, info: VideoInfo, opens: str, name: str, label: str) -> Bar:
    duration_s = info.duration_s or 1.0
    width = min(100.0, max(MIN_BAR_PERCENT, 100 * window.duration_s / duration_s))
    left = max(0.0, min(100 * window.start_s / duration_s, 100 - width))
    return Bar(opens=opens, left=left, width=width, row=0, name=name, label=label)


def assign_rows(bars: Sequence[Bar]) -> list[Bar]:
    """Return the bars, each in the first row where it overlaps no earlier bar."""
    placed: list[Bar] = []
    for bar in bars:
        taken = {other.row for other in placed if _overlap(bar, other)}
        row = next(row for row in range(len(placed) + 1) if row not in taken)
        placed.append(Bar(bar.opens, bar.left, bar.width, row, bar.name, bar.label))
    return placed


def _overlap(one: Bar, other: Bar) -> bool:
    return one.left < other.left + other.width and other.left < one.left + one.width


def _strip(
    info: VideoInfo, observations: Sequence[Observation], cited: Sequence[NumberedCitation], album: Album
) -> list[Picture | None]:
    """Return for each slot the nearest observed frame: as many slots as frames if they are evenly spread, else 8."""
    times_s = _observed_times_s(info, observations)
    slots = min(STRIP_SLOTS, max(1, len(times_s)))
    nearest = _nearest(times_s, info.duration_s, slots)
    if len(nearest) < slots:
        slots, nearest = STRIP_SLOTS, _nearest(times_s, info.duration_s, STRIP_SLOTS)
    pictures = {picture.time_s: picture for picture in album.pictures(info, list(nearest.values()), cited)}
    return [pictures.get(nearest.get(slot, -1.0)) for slot in range(slots)] if pictures else []


def _nearest(times_s: Iterable[float], duration_s: float, slots: int) -> dict[int, float]:
    """Return for each slot, an equal part of the video, the time that is nearest to its middle."""
    slot_s = duration_s / slots
    nearest: dict[int, float] = {}
    for time_s in times_s:
        slot = min(slots - 1, int(time_s / slot_s)) if slot_s else 0
        middle_s = (slot + 0.5) * slot_s
        if slot not in nearest or abs(time_s - middle_s) < abs(nearest[slot] - middle_s):
            nearest[slot] = time_s
    return nearest


def _observed_times_s(info: VideoInfo, observations: Sequence[Observation]) -> set[float]:
    return {
        time_s
        for observation in observations
        for window, times_s in zip(observation.windows, observation.frame_times_s, strict=False)
        if window.video == info.number
        for time_s in times_s
    }
