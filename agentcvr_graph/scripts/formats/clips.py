"""The clips of AgentCVR's records: read a timeline into a scripted video, and write it back in the form it had.

A clip is `{"duration", "timeline": [...]}`, `{"description", "clips": [...]}` without a duration, or a list of events
alone. An event is `{start, end, visual, caption}`; times may be texts such as `0:12`, and `caption` may be missing.

Chat models wrote these timelines, so they are not always sound. Events out of order are sorted, an event that runs into
the next one ends where that begins, and a video is as long as its last event. What was changed is noted in
`Script.extra`; export restores what the record held.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from string import ascii_uppercase
from typing import Any, NamedTuple, cast

from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.scripts.schema import Scene, ScriptedVideo

TOLERANCE_S = 0.05
EVENT_FIELDS = ("timeline", "clips", "detailed_timeline")


class ClipShape(NamedTuple):
    """The form in which a record holds its clips."""

    name: str = "{}"
    """Name of a clip: its number, or `video_1`."""
    events: str = "timeline"
    """The field with the events; empty where a clip is a list of events."""
    duration: bool = True
    """Whether a clip states its duration."""


PLAIN = ClipShape()


class ReadClip(NamedTuple):
    """A clip as a scripted video."""

    video: ScriptedVideo
    shift_s: float
    """What was subtracted from the times of the record."""
    notes: tuple[str, ...] = ()
    """What was changed."""


def shape_of(held: Mapping[str, Any]) -> ClipShape:
    """Return the form of the clips of a record, as its first one has it."""
    name, clip = next(iter(held.items()))
    if isinstance(clip, list):
        return ClipShape(_pattern(name), "", duration=False)
    return ClipShape(_pattern(name), _events_field(clip), "duration" in clip)


def read_clip(clip: Any, *, title: str = "", starts_s: float | None = None) -> ReadClip:
    """Read a clip.

    Args:
        starts_s: the time of the record at which the clip starts; None to recognise it: 0, or the start of the first
            event where the last one ends after the stated duration.

    Raises:
        KeyError, TypeError, ValueError: it is not a clip.
    """
    events = _sorted_events(clip)
    if not events:
        raise ValueError("a video has no events")
    stated_s = _stated_s(clip)
    shift_s = _start_of(events, stated_s) if starts_s is None else starts_s
    scenes = [_scene(event, shift_s) for event in events]
    kept = [_ended(one, other) for one, other in pairwise(scenes)] + scenes[-1:]
    notes = _changes(scenes, kept, stated_s)
    if events != _events(clip):
        notes = ("events were not in order of time", *notes)
    duration_s = max(scenes[-1].end_s, stated_s or 0.0)
    return ReadClip(ScriptedVideo(duration_s=duration_s, scenes=tuple(kept), title=title), shift_s, notes)


def write_clip(video: ScriptedVideo, shape: ClipShape, shift_s: float = 0.0) -> Any:
    """Return a video as a clip of a record."""
    events = write_events(video.scenes, shift_s)
    if not shape.events:
        return events
    return ({"duration": video.duration_s} if shape.duration else {}) | {shape.events: events}


def write_events(scenes: Sequence[Scene], shift_s: float = 0.0) -> list[dict[str, Any]]:
    """Return scenes as events of a record."""
    return [
        {"start": scene.start_s + shift_s, "end": scene.end_s + shift_s, "visual": scene.visual}
        | ({"caption": scene.caption} if scene.caption else {})
        for scene in scenes
    ]


def numbered_names(held: Mapping[str, Any]) -> list[str]:
    """Return the names of clips in the order of their numbers: "1", "video_1", "Video 1", or of their letters.

    Raises:
        ValueError: a name has neither.
    """
    return sorted(held, key=_number)


def _number(name: str) -> int:
    digits = re.findall(r"\d+", name)
    if digits:
        return int(digits[-1])
    letter = name.strip()[-1:].upper()
    if letter not in ascii_uppercase or not letter:
        raise ValueError(f"the video {name!r} has no number in its name")
    return ascii_uppercase.index(letter) + 1


def _pattern(name: str) -> str:
    return re.sub(r"\d+(?=\D*$)", "{}", name)


def _events_field(clip: Mapping[str, Any]) -> str:
    return next((name for name in EVENT_FIELDS if name in clip), EVENT_FIELDS[0])


def _stated_s(clip: Any) -> float | None:
    stated = None if isinstance(clip, list) else clip.get("duration")
    return None if stated is None else _time_s(stated)


def _events(clip: Any) -> list[dict[str, Any]]:
    held = cast(list[dict[str, Any]], clip if isinstance(clip, list) else clip[_events_field(clip)])
    return list(held)


def _sorted_events(clip: Any) -> list[dict[str, Any]]:
    return sorted(_events(clip), key=lambda event: (_time_s(event["start"]), _time_s(event["end"])))


def _start_of(events: Sequence[Mapping[str, Any]], stated_s: float | None) -> float:
    first_s, last_s = _time_s(events[0]["start"]), _time_s(events[-1]["end"])
    in_whole_time = first_s > 0 and (stated_s is None or last_s > stated_s + TOLERANCE_S)
    return first_s if in_whole_time else 0.0


def _scene(event: Mapping[str, Any], shift_s: float) -> Scene:
    start_s, end_s = (_time_s(event[name]) - shift_s for name in ("start", "end"))
    return Scene(
        start_s=start_s, end_s=end_s, visual=str(event.get("visual") or ""), caption=str(event.get("caption") or "")
    )


def _time_s(value: object) -> float:
    time_s = read_time_s(value)
    if not math.isfinite(time_s):
        raise ValueError(f"{value!r} is not a time")
    return time_s


def _ended(one: Scene, other: Scene) -> Scene:
    """Return a scene that ends before the next one begins; one that begins with it is left as it is, for the check."""
    runs_on = one.end_s > other.start_s + TOLERANCE_S and other.start_s > one.start_s
    return one.model_copy(update={"end_s": other.start_s}) if runs_on else one


def _changes(scenes: Sequence[Scene], kept: Sequence[Scene], stated_s: float | None) -> tuple[str, ...]:
    cut = sum(one != other for one, other in zip(scenes, kept, strict=True))
    notes = (f"{cut} events ran into the next one and were cut",) if cut else ()
    if stated_s is not None and scenes[-1].end_s > stated_s + TOLERANCE_S:
        notes += (f"events end at {scenes[-1].end_s:g} s, after the stated duration of {stated_s:g} s",)
    return notes
