"""The view model of the report: plain values in the order of the page, so that the template needs only loops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentcvr_graph.answers import confidence_text, headline, option_labels
from agentcvr_graph.render import NOTHING, cost_text, look_label, window_label
from agentcvr_graph.report.citations import (
    NumberedCitation,
    citing_statement,
    named_observations,
    number_citations,
    second_looks,
)
from agentcvr_graph.report.moments import link_in_page
from agentcvr_graph.report.notebook import MODALITY_VERBS
from agentcvr_graph.report.pictures import Album, Picture, select_times
from agentcvr_graph.report.thumbnails import Thumbnails
from agentcvr_graph.report.tracks import VideoTimeline, timelines_of
from agentcvr_graph.trajectory import Action, Trajectory, Turn
from agentcvr_graph.types import Answer, Failure, Observation, Verification

_ERROR = "error: "
_BOUNDARIES = {
    "master": "The master gave no valid answer.",
    "infrastructure": "A model, a server or a video failed (infrastructure error).",
}


@dataclass(frozen=True)
class StatementView:
    """One statement of an observation."""

    where: str
    text: str
    cited: tuple[int, ...]
    """Numbers of the citations that it supports."""
    link: str = ""
    """Address of a window that a search found, in its video; empty where there is none."""


@dataclass(frozen=True)
class ObservationView:
    """One observation with its frames."""

    id: str
    modality: str
    heading: str
    focus: str
    """The focus of the master's request; empty if it is the question itself."""
    lines: Sequence[StatementView]
    nothing: str
    """Text for an observation without a statement."""
    notes: Sequence[str]
    pictures: Sequence[tuple[str, Sequence[Picture]]]
    """Label and frames of each window."""
    cost: str
    cited: bool
    """Whether it supports a citation."""


@dataclass(frozen=True)
class CallView:
    """One tool call of a turn."""

    tool: str
    arguments: str
    observation: ObservationView | None
    error: str
    """Error message of the tool; empty on success."""


@dataclass(frozen=True)
class TurnView:
    """One turn of the master."""

    number: int
    thought: str
    complaint: str
    calls: Sequence[CallView]


@dataclass(frozen=True)
class Chip:
    """The button of a citation."""

    number: int
    label: str
    title: str
    modality: str
    how: str
    """`observed` or `listened`."""
    opens: str
    """Id of the supporting observation; empty when there is none."""
    link: str
    """Address of the moment in the video; empty where there is none."""
    verdict: str
    """Verdict of the check of the citation; empty if it was not checked."""


@dataclass(frozen=True)
class CheckView:
    """The check of one citation (feature `verify`)."""

    verdict: str
    claim: str
    heading: str
    """The window and its video, and which answer cites it."""
    reason: str
    """The judge's reason, and the judge."""
    observation: ObservationView | None
    """The second look; None if there was none."""


@dataclass(frozen=True)
class View:
    """The whole page."""

    question: str
    options: Sequence[tuple[str, str, bool]]
    """Letter, text, and whether it is the answer."""
    answer: Answer | None
    kicker: str
    """What the headline is: an answer, a guess, an abstention."""
    headline: str
    failure: str
    boundary: str
    """The cause of a failure in words."""
    chips: Sequence[Chip]
    checks: Sequence[CheckView]
    video_count: int
    """Number of all videos of the question."""
    notes: Sequence[str]
    """What was left out of a folder."""
    timelines: Sequence[VideoTimeline]
    """Of many videos, those that were observed or cited."""
    turns: Sequence[TurnView]
    totals: Sequence[tuple[str, str]]


def view_of(trajectory: Trajectory, thumbnails: Thumbnails | None = None, folder: Path | None = None) -> View:
    """Return the view of a trajectory.

    Args:
        thumbnails: source of frames; None for a report without frames.
        folder: the folder of the page, from which it links to files; None for no such links.
    """
    cited = number_citations(trajectory)
    named = named_observations(trajectory)
    album = Album(thumbnails, [*trajectory.observations, *second_looks(trajectory)])
    observations = [_observation(name, observation, trajectory, cited, album, folder) for name, observation in named]
    failure = trajectory.failure
    return View(
        question=trajectory.question,
        options=_options(trajectory),
        answer=trajectory.answer,
        kicker=_kicker(trajectory.answer),
        headline=headline(trajectory.answer) if trajectory.answer else "No answer",
        failure=failure.message if failure else "",
        boundary=_boundary(failure),
        chips=[_chip(one, trajectory, folder) for one in cited],
        checks=[_check(f"c{n}", one, trajectory, album) for n, one in enumerate(_latest_first(trajectory), start=1)],
        video_count=trajectory.video_count,
        notes=trajectory.catalogue.notes if trajectory.catalogue else (),
        timelines=timelines_of(trajectory, named, cited, album),
        turns=_turns(trajectory.turns, observations),
        totals=_totals(trajectory),
    )


def _kicker(answer: Answer | None) -> str:
    """Return what stands above the headline: whether it is an answer, and how sure the master is."""
    if answer is None:
        return "Could not answer"
    if answer.abstained:
        return "The master abstained"
    name = "A guess" if answer.is_guess else "Answer" if answer.citations else "Answer without citations"
    return ", ".join(part for part in (name, confidence_text(answer)) if part)


def _boundary(failure: Failure | None) -> str:
    return _BOUNDARIES[failure.boundary] if failure else ""


def _options(trajectory: Trajectory) -> list[tuple[str, str, bool]]:
    value = trajectory.answer.value if trajectory.answer else ""
    chosen = value if isinstance(value, list) else [value]
    labels = option_labels(trajectory.kind, trajectory.options)
    return [(label, option, label in chosen) for label, option in zip(labels, trajectory.options, strict=False)]


def _totals(trajectory: Trajectory) -> list[tuple[str, str]]:
    usage = trajectory.usage
    return [
        ("turns", str(len(trajectory.turns))),
        ("frames and audio", cost_text(usage)),
        ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"),
        ("time", f"{usage.wall_s:.1f} s"),
    ]


def _chip(one: NumberedCitation, trajectory: Trajectory, folder: Path | None) -> Chip:
    citation, check = one.citation, trajectory.verification_of(one.citation)
    video = trajectory.video(citation.video)
    return Chip(
        number=one.number,
        label=window_label(citation),
        title=video.title,
        modality=citation.modality,
        how=MODALITY_VERBS[citation.modality],
        opens=one.observation,
        link=link_in_page(video.video, citation.start_s, folder),
        verdict=check.verdict if check else "",
    )


def _latest_first(trajectory: Trajectory) -> list[Verification]:
    """Return the checks in the order of the answer's citations, then those of earlier answers."""
    cited = list(trajectory.answer.citations) if trajectory.answer else []
    return sorted(
        trajectory.verifications,
        key=lambda one: cited.index(one.citation) if one.citation in cited else len(cited),
    )


def _check(name: str, check: Verification, trajectory: Trajectory, album: Album) -> CheckView:
    cited, seen = check.citation, check.observation
    earlier = trajectory.answer is None or cited not in trajectory.answer.citations
    replaced = f", cited by the answer of turn {check.turn}" if earlier else ""
    judge = f"judge: {check.judge}" if check.judge else ""
    return CheckView(
        verdict=check.verdict,
        claim=cited.claim or "no claim",
        heading=f"{window_label(cited)}, {trajectory.video(cited.video).title}{replaced}",
        reason="; ".join(filter(None, [check.reason, judge])),
        observation=_observation(name, seen, trajectory, (), album) if seen else None,
    )


def _observation(
    name: str,
    observation: Observation,
    trajectory: Trajectory,
    cited: Sequence[NumberedCitation],
    album: Album,
    folder: Path | None = None,
) -> ObservationView:
    found = observation.modality == "index"
    return ObservationView(
        id=name,
        modality=observation.modality,
        heading=_heading(observation),
        focus="" if observation.focus == trajectory.question else observation.focus,
        lines=_found(observation, trajectory, folder) if found else _lines(observation, cited),
        nothing=NOTHING[observation.modality],
        notes=observation.notes,
        pictures=_pictures(observation, trajectory, cited, album),
        cost=cost_text(observation.cost) + (f", by {observation.model}" if observation.model else ""),
        cited=any(one.observation == name for one in cited),
    )


def _heading(observation: Observation) -> str:
    if observation.modality == "index":
        return "Searched the index"
    verb = "Observed" if observation.modality == "visual" else "Listened to"
    return f"{verb} {'; '.join(look_label(window, zoom) for window, zoom in observation.looks)}"


def _lines(observation: Observation, cited: Sequence[NumberedCitation]) -> list[StatementView]:
    return [
        StatementView(
            window_label(evidence.window), evidence.text, citing_statement(cited, observation.modality, evidence.window)
        )
        if evidence.window
        else StatementView("", evidence.text, ())
        for evidence in observation.evidence
    ]


def _found(observation: Observation, trajectory: Trajectory, folder: Path | None) -> list[StatementView]:
    """Return the windows that a search found. A video that was not opened since has no link."""
    opened = {info.number: info.video for info in trajectory.videos}
    return [
        StatementView(
            window_label(window),
            evidence.text,
            (),
            link_in_page(opened[window.video], window.start_s, folder) if window.video in opened else "",
        )
        for evidence in observation.evidence
        if (window := evidence.window) is not None
    ]


def _pictures(
    observation: Observation, trajectory: Trajectory, cited: Sequence[NumberedCitation], album: Album
) -> list[tuple[str, Sequence[Picture]]]:
    shown: list[tuple[str, Sequence[Picture]]] = []
    for (window, zoom), times_s in zip(observation.looks, observation.frame_times_s, strict=False):
        chosen = select_times(times_s, window.video, cited, album.per_window)
        pictures = album.pictures(trajectory.video(window.video), chosen, cited, zoom)
        if pictures:
            shown.append((look_label(window, zoom), pictures))
    return shown


def _turns(turns: Sequence[Turn], observations: Sequence[ObservationView]) -> list[TurnView]:
    """Return the turns; the observations follow the order of the calls that returned one."""
    remaining = iter(observations)
    return [
        TurnView(
            turn.number,
            turn.thought.strip(),
            turn.complaint.removeprefix(_ERROR),
            [_call(action, next(remaining) if action.observation else None) for action in turn.actions],
        )
        for turn in turns
    ]


def _call(action: Action, observation: ObservationView | None) -> CallView:
    error = action.reply.removeprefix(_ERROR) if action.reply.startswith(_ERROR) else ""
    if action.ends and not error:
        return CallView(
            action.tool, str(action.arguments.get("value", "")), observation, error
        )  # the head of the page has the rest
    arguments = ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in action.arguments.items()
    )
    return CallView(action.tool, arguments, observation, error)
