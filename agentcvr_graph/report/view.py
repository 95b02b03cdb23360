"""What the report shows, worked out: plain values in the order of the page. The template has no logic beyond loops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.answers import option_labels
from agentcvr_graph.render import NOTHING, cost_text, window_label
from agentcvr_graph.report.citations import Cited, cited_of, citing_statement, named_observations
from agentcvr_graph.report.pictures import Album, Picture, chosen_times
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.report.tracks import Lane, lane_of
from agentcvr_graph.trajectory import Action, Trajectory, Turn
from agentcvr_graph.types import Answer, Failure, Observation, VideoInfo

_ERROR = "error: "
_BOUNDARIES = {
    "master": "The master gave no valid answer.",
    "infrastructure": "Something outside the master failed: a model, a server or a video.",
}


@dataclass(frozen=True)
class Line:
    """A statement of evidence."""

    where: str
    text: str
    cited: tuple[int, ...]
    """Numbers of the citations that share it."""


@dataclass(frozen=True)
class Look:
    """One observation, with its pictures."""

    id: str
    modality: str
    heading: str
    focus: str
    """Empty where it is the question itself, which heads the page."""
    lines: Sequence[Line]
    nothing: str
    """What to say where there is no statement."""
    notes: Sequence[str]
    pictures: Sequence[tuple[str, Sequence[Picture]]]
    """For each window its label and pictures."""
    cost: str
    cited: bool
    """A citation rests on it."""


@dataclass(frozen=True)
class Step:
    """One call of a turn."""

    tool: str
    arguments: str
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

    number: int
    label: str
    title: str
    modality: str
    opens: str
    """Id of the observation it rests on; empty when there is none."""


@dataclass(frozen=True)
class View:
    """The whole page."""

    question: str
    options: Sequence[tuple[str, str, bool]]
    """Letter, text, whether chosen."""
    answer: Answer | None
    headline: str
    failure: str
    boundary: str
    """Whose failure it was, in words."""
    chips: Sequence[Chip]
    lanes: Sequence[Lane]
    turns: Sequence[TurnView]
    figures: Sequence[tuple[str, str]]


def view_of(trajectory: Trajectory, thumbnails: Thumbnails | None = None) -> View:
    """The view of a trajectory."""
    cited = cited_of(trajectory)
    named = named_observations(trajectory)
    album = Album(thumbnails, trajectory.observations)
    looks = [_look(name, observation, trajectory, cited, album) for name, observation in named]
    failure = trajectory.failure
    return View(
        question=trajectory.question,
        options=_options(trajectory),
        answer=trajectory.answer,
        headline=_headline(trajectory.answer),
        failure=failure.message if failure else "",
        boundary=_boundary(failure),
        chips=[_chip(one, trajectory.videos) for one in cited],
        lanes=[lane_of(info, named, cited, album) for info in trajectory.videos],
        turns=_turns(trajectory.turns, looks),
        figures=_figures(trajectory),
    )


def _headline(answer: Answer | None) -> str:
    if answer is None:
        return "No answer"
    if answer.kind == "choice":
        return f"{answer.value}. {answer.text}"
    return answer.text


def _boundary(failure: Failure | None) -> str:
    return _BOUNDARIES[failure.boundary] if failure else ""


def _options(trajectory: Trajectory) -> list[tuple[str, str, bool]]:
    value = trajectory.answer.value if trajectory.answer else ""
    chosen = value if isinstance(value, list) else [value]
    labels = option_labels(trajectory.kind, trajectory.options)
    return [(label, option, label in chosen) for label, option in zip(labels, trajectory.options, strict=False)]


def _figures(trajectory: Trajectory) -> list[tuple[str, str]]:
    usage = trajectory.usage
    return [
        ("turns", str(len(trajectory.turns))),
        ("seen and heard", cost_text(usage)),
        ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"),
        ("time", f"{usage.wall_s:.1f} s"),
    ]


def _chip(one: Cited, videos: Sequence[VideoInfo]) -> Chip:
    citation = one.citation
    return Chip(
        number=one.number,
        label=window_label(citation),
        title=videos[citation.video - 1].title,
        modality=citation.modality,
        opens=one.observation,
    )


def _look(name: str, observation: Observation, trajectory: Trajectory, cited: Sequence[Cited], album: Album) -> Look:
    verb = "Looked at" if observation.modality == "visual" else "Listened to"
    return Look(
        id=name,
        modality=observation.modality,
        heading=f"{verb} {'; '.join(window_label(window) for window in observation.windows)}",
        focus="" if observation.focus == trajectory.question else observation.focus,
        lines=_lines(observation, cited),
        nothing=NOTHING[observation.modality],
        notes=observation.notes,
        pictures=_pictures(observation, trajectory.videos, cited, album),
        cost=cost_text(observation.cost) + (f", by {observation.model}" if observation.model else ""),
        cited=any(one.observation == name for one in cited),
    )


def _lines(observation: Observation, cited: Sequence[Cited]) -> list[Line]:
    return [
        Line(
            window_label(evidence.window), evidence.text, citing_statement(cited, observation.modality, evidence.window)
        )
        if evidence.window
        else Line("", evidence.text, ())
        for evidence in observation.evidence
    ]


def _pictures(
    observation: Observation, videos: Sequence[VideoInfo], cited: Sequence[Cited], album: Album
) -> list[tuple[str, Sequence[Picture]]]:
    shown: list[tuple[str, Sequence[Picture]]] = []
    for window, times_s in zip(observation.windows, observation.frame_times_s, strict=False):
        chosen = chosen_times(times_s, window.video, cited, album.per_window)
        pictures = album.pictures(videos[window.video - 1], chosen, cited)
        if pictures:
            shown.append((window_label(window), pictures))
    return shown


def _turns(turns: Sequence[Turn], looks: Sequence[Look]) -> list[TurnView]:
    """The turns with their looks, which come in the order of the calls that brought something back."""
    remaining = iter(looks)
    return [
        TurnView(
            turn.number,
            turn.thought.strip(),
            turn.complaint.removeprefix(_ERROR),
            [_step(action, next(remaining) if action.observation else None) for action in turn.actions],
        )
        for turn in turns
    ]


def _step(action: Action, look: Look | None) -> Step:
    error = action.reply.removeprefix(_ERROR) if action.reply.startswith(_ERROR) else ""
    if action.tool == "answer" and not error:
        return Step(action.tool, str(action.arguments.get("value", "")), look, error)  # the rest heads the page
    arguments = ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in action.arguments.items()
    )
    return Step(action.tool, arguments, look, error)
