"""What the report shows, worked out: plain values in the order of the page. The template has no logic beyond loops."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from agentcvr_graph.render import cost_text, window_label
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.trajectory import Action, Trajectory
from agentcvr_graph.types import Answer, Citation, Evidence, Observation, VideoInfo, Window

MAX_THUMBNAILS = 8
"""Pictures of one window; more would say little and weigh much."""
MIN_BAR_PERCENT = 0.8
"""A short window in a long video stays visible and clickable."""
Percent = float


@dataclass(frozen=True)
class Picture:
    """A thumbnail."""

    time: str
    data_uri: str


@dataclass(frozen=True)
class Line:
    """A statement of evidence."""

    where: str
    text: str
    cited: bool


@dataclass(frozen=True)
class Bar:
    """A window, or a citation, in its video's lane."""

    observation: str
    """Id of the observation that it opens."""
    modality: str
    left: Percent
    width: Percent
    label: str


@dataclass(frozen=True)
class Lane:
    """One video."""

    number: int
    title: str
    detail: str
    problem: str
    ticks: Sequence[tuple[Percent, str]]
    bars: Sequence[Bar]
    marks: Sequence[Bar]
    """The cited windows, drawn over the bars."""
    strip: Sequence[Picture]
    """Pictures at even times, as an overview."""


@dataclass(frozen=True)
class Look:
    """One observation, with its pictures."""

    id: str
    modality: str
    heading: str
    focus: str
    lines: Sequence[Line]
    notes: Sequence[str]
    pictures: Sequence[tuple[str, Sequence[Picture]]]
    """For each window its label and pictures."""
    cost: str

    @property
    def cited(self) -> bool:
        return any(line.cited for line in self.lines)


@dataclass(frozen=True)
class Step:
    """One call of a turn."""

    tool: str
    summary: str
    look: Look | None
    error: str
    """What went wrong, where something did."""


@dataclass(frozen=True)
class TurnView:
    """One turn."""

    number: int
    thought: str
    complaint: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Chip:
    """A citation."""

    label: str
    title: str
    modality: str
    observation: str
    """Id of the observation it rests on; empty when there is none."""


@dataclass(frozen=True)
class View:
    """The whole page."""

    question: str
    kind: str
    options: Sequence[tuple[str, str, bool]]
    """Letter, text, whether chosen."""
    answer: Answer | None
    headline: str
    failure: str
    chips: Sequence[Chip]
    lanes: Sequence[Lane]
    turns: Sequence[TurnView]
    figures: Sequence[tuple[str, str]] = field(default=())


def view_of(trajectory: Trajectory, thumbnails: Thumbnails | None = None) -> View:
    """The view of a trajectory."""
    answer = trajectory.answer
    citations = answer.citations if answer else ()
    looks = {
        id(observation): _look(f"o{number}", observation, trajectory.videos, citations, thumbnails)
        for number, observation in enumerate(trajectory.observations, start=1)
    }
    return View(
        question=trajectory.question,
        kind=trajectory.kind,
        options=_options(trajectory),
        answer=answer,
        headline=_headline(answer),
        failure=trajectory.failure.message if trajectory.failure else "",
        chips=[_chip(citation, trajectory, looks) for citation in citations],
        lanes=[_lane(info, trajectory, looks, thumbnails) for info in trajectory.videos],
        turns=[
            TurnView(turn.number, turn.thought, turn.complaint, [_step(action, looks) for action in turn.actions])
            for turn in trajectory.turns
        ],
        figures=_figures(trajectory),
    )


def _headline(answer: Answer | None) -> str:
    if answer is None:
        return "No answer"
    if answer.kind == "choice":
        return f"{answer.value}. {answer.text}"
    return answer.text


def _options(trajectory: Trajectory) -> list[tuple[str, str, bool]]:
    value = trajectory.answer.value if trajectory.answer else ""
    chosen = value if isinstance(value, list) else [value]
    if trajectory.kind == "order":
        return [(str(n), option, False) for n, option in enumerate(trajectory.options, start=1)]
    return [
        (letter, option, letter in chosen) for letter, option in zip(ascii_uppercase, trajectory.options, strict=False)
    ]


def _figures(trajectory: Trajectory) -> list[tuple[str, str]]:
    usage = trajectory.usage
    return [
        ("turns", str(len(trajectory.turns))),
        ("seen and heard", cost_text(usage)),
        ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"),
        ("time", f"{usage.wall_s:.1f} s"),
    ]


def _chip(citation: Citation, trajectory: Trajectory, looks: dict[int, Look]) -> Chip:
    return Chip(
        label=window_label(citation),
        title=trajectory.videos[citation.video - 1].title,
        modality=citation.modality,
        observation=_rests_on(citation, trajectory, looks),
    )


def _rests_on(citation: Citation, trajectory: Trajectory, looks: dict[int, Look]) -> str:
    """Id of the observation that covers most of a citation, the closest look of equals; empty when there is none."""
    found = [
        (_shared_s(citation, observation), -_length_s(observation), looks[id(observation)].id)
        for observation in trajectory.observations
        if observation.modality == citation.modality and _shared_s(citation, observation) > 0
    ]
    return max(found)[2] if found else ""


def _shared_s(window: Window, observation: Observation) -> float:
    return max((window.overlap_s(other) for other in observation.windows), default=0.0)


def _length_s(observation: Observation) -> float:
    return sum(window.duration_s for window in observation.windows)


def _lane(info: VideoInfo, trajectory: Trajectory, looks: dict[int, Look], thumbnails: Thumbnails | None) -> Lane:
    citations = trajectory.answer.citations if trajectory.answer else ()
    bars = [
        _bar(window, observation.modality, looks[id(observation)].id, info, _told(window, observation))
        for observation in trajectory.observations
        for window in observation.windows
        if window.video == info.number
    ]
    marks = [
        _bar(c, c.modality, _rests_on(c, trajectory, looks), info, f"cited: {c.start_s:.1f}-{c.end_s:.1f} s")
        for c in citations
        if c.video == info.number
    ]
    size = f"{info.width}x{info.height}" if info.has_picture else "no picture"
    sound = "sound" if info.has_sound else "no sound"
    return Lane(
        number=info.number,
        title=info.title,
        detail=f"{info.duration_s:.1f} s, {size}, {sound}{', subtitles' if info.has_subtitles else ''}",
        problem=info.problem,
        ticks=[(100 * n / 4, f"{info.duration_s * n / 4:.0f} s") for n in range(5)],
        bars=sorted(bars, key=lambda bar: -bar.width),
        marks=marks,
        strip=_strip(info, trajectory.observations, thumbnails),
    )


def _told(window: Window, observation: Observation) -> str:
    verb = "looked at" if observation.modality == "visual" else "listened to"
    return f"turn {observation.turn}: {verb} {window.start_s:.1f}-{window.end_s:.1f} s"


def _bar(window: Window, modality: str, opens: str, info: VideoInfo, label: str) -> Bar:
    duration_s = info.duration_s or 1.0
    width = max(MIN_BAR_PERCENT, 100 * window.duration_s / duration_s)
    left = min(100 * window.start_s / duration_s, 100 - width)
    return Bar(observation=opens, modality=modality, left=left, width=width, label=label)


def _strip(info: VideoInfo, observations: Sequence[Observation], thumbnails: Thumbnails | None) -> list[Picture]:
    """Up to eight of the frames that were seen of a video, evenly chosen."""
    times = {
        time_s
        for observation in observations
        for window, seen in zip(observation.windows, observation.frame_times_s, strict=False)
        if window.video == info.number
        for time_s in seen
    }
    return _pictures(info, _thinned(sorted(times)), thumbnails)


def _look(
    id: str,
    observation: Observation,
    videos: Sequence[VideoInfo],
    citations: Sequence[Citation],
    thumbnails: Thumbnails | None,
) -> Look:
    cited = [c for c in citations if c.modality == observation.modality]
    pictures = [
        (window_label(window), _pictures(videos[window.video - 1], _thinned(times, window, cited), thumbnails))
        for window, times in zip(observation.windows, observation.frame_times_s, strict=False)
    ]
    verb = "Looked at" if observation.modality == "visual" else "Listened to"
    return Look(
        id=id,
        modality=observation.modality,
        heading=f"{verb} {'; '.join(window_label(window) for window in observation.windows)}",
        focus=observation.focus,
        lines=[_line(evidence, cited) for evidence in observation.evidence],
        notes=observation.notes,
        pictures=[(label, found) for label, found in pictures if found],
        cost=cost_text(observation.cost),
    )


def _line(evidence: Evidence, cited: Sequence[Citation]) -> Line:
    window = evidence.window
    if window is None:
        return Line("", evidence.text, False)
    inside = any(citation.overlap_s(window) > 0.5 * window.duration_s for citation in cited)
    return Line(window_label(window), evidence.text, inside)


def _step(action: Action, looks: dict[int, Look]) -> Step:
    look = looks.get(id(action.observation)) if action.observation else None
    error = action.reply.removeprefix("error: ") if action.reply.startswith("error: ") else ""
    summary = look.heading if look else ", ".join(f"{key}: {value}" for key, value in action.arguments.items())
    return Step(action.tool, summary, look, error)


def _thinned(times_s: Sequence[float], window: Window | None = None, cited: Sequence[Citation] = ()) -> list[float]:
    """At most `MAX_THUMBNAILS` of the times, evenly chosen; from the cited part, where there is one."""
    inside = [
        time_s
        for time_s in times_s
        if window and any(c.video == window.video and c.start_s <= time_s <= c.end_s for c in cited)
    ]
    chosen = inside or list(times_s)
    if len(chosen) <= MAX_THUMBNAILS:
        return chosen
    step = (len(chosen) - 1) / (MAX_THUMBNAILS - 1)
    return [chosen[round(n * step)] for n in range(MAX_THUMBNAILS)]


def _pictures(info: VideoInfo, times_s: Sequence[float], thumbnails: Thumbnails | None) -> list[Picture]:
    if thumbnails is None:
        return []
    found = [(time_s, thumbnails.thumbnail(info.video, time_s)) for time_s in times_s]
    return [Picture(f"{time_s:.1f} s", _data_uri(jpeg)) for time_s, jpeg in found if jpeg]


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
