"""The nine formats in which AgentCVR released its synthetic scripts, as pairs of functions: record to script and back.

| generator | task | answer | timelines |
|---|---|---|---|
| cooking, movie | CC, NC | `correct_answer`: letter | `videos`: {"1": {`duration`, `timeline`}, ...} |
| assembly | PEA | `correct_answer` | `videos`: {"video_1": {`description`, `clips`}, ...} |
| behavior | BU | `answer`: letters | as cooking |
| grounding | FSA | `answer`: [s, s]; `ref_segment` | `synthesized_videos`: {"video_A": ..., "video_B": ...} |
| plot | PI | `correct_answer` | `scripts`: {"beginning": ..., "ending": ...}, the ending in the time of the film |
| sort | PSS | `answer`: "2->1->3" | `segments`: {"1": {`interval`, `detailed_timeline`}, ...} |
| uav_count, uav_position | MOC, MSR | `question`: {`text`, `options`, `correct_answer`} | `video_scripts`: rows |

A later release calls every place of timelines `videos`; `Script.extra["holder"]` remembers which name a record used,
and `extra["shape"]` the form of its clips (`clips.py`). The segments of a sorted recording and the ending of a film
start at their own zero here, and the two drone views become two videos. These functions carry what the formats have
in common with a script; what else a record or a script holds is the business of `round_trip.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from string import ascii_uppercase
from typing import Any, cast

from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.scripts.formats.clips import (
    PLAIN,
    ClipShape,
    numbered_names,
    read_clip,
    shape_of,
    write_clip,
    write_events,
)
from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import Citation

Record = dict[str, Any]
ROW_S = 2.0
"""Seconds between the rows of a drone script."""
FSA_QUESTION = "Which interval of video 2 serves the same function as {0:g} to {1:g} s of video 1?"
_LABEL = re.compile(r"^\s*\(?[A-Z][.):]\s*")
_KEY = re.compile(r"^\(?([A-Za-z])\)?\s*(?:[.:)].*)?$", re.S)


@dataclass(frozen=True)
class Format:
    """The format of one generator."""

    generator: str
    task: Task
    holder: str
    """The field that holds the timelines in the first release."""
    read: Callable[[Format, Record], dict[str, Any]]
    """The fields of a `Script` but for id, task and origin."""
    write: Callable[[Format, Script], Record]
    shape: ClipShape = PLAIN
    """The form of its clips."""

    def held(self, record: Record) -> Any:
        """Return the timelines of a record, under either name."""
        return record[self.holder_in(record)]

    def holder_in(self, record: Record) -> str:
        return self.holder if self.holder in record else "videos"

    def to_script(self, record: Record, script_id: str) -> Script:
        """Return the script of a record.

        Raises:
            KeyError, TypeError, ValueError: the record is not of this format; pydantic's error is a ValueError.
        """
        fields = self.read(self, record)
        extra = {"holder": "videos"} if self.holder_in(record) != self.holder else {}
        origin = Origin(generator=f"agentcvr/{self.generator}")
        return Script(id=script_id, task=self.task, origin=origin, extra=extra | fields.pop("extra", {}), **fields)

    def clips(
        self, held: Mapping[str, Any], names: Sequence[str], titles: Sequence[str] = (), starts_s: float | None = 0.0
    ) -> dict[str, Any]:
        """Return the clips of a record as fields of a script: its videos, and what export needs to know of them.

        Args:
            starts_s: as in `read_clip`.
        """
        if not held:
            raise ValueError("it has no videos")
        titled = zip_longest(names, titles, fillvalue="")
        read = [read_clip(held[name], title=title, starts_s=starts_s) for name, title in titled]
        shape, shifts = shape_of(held), [clip.shift_s for clip in read]
        notes = [f"video {n}: {note}" for n, clip in enumerate(read, 1) for note in clip.notes]
        extra: dict[str, Any] = {"shape": list(shape)} if shape != self.shape else {}
        extra |= ({"shift_s": shifts} if any(shifts) else {}) | ({"notes": notes} if notes else {})
        return {"videos": tuple(clip.video for clip in read), "extra": extra}

    def written(self, script: Script) -> list[tuple[str, Any]]:
        """Return the name and the clip of each video in the form that its record had."""
        shape = ClipShape(*script.extra.get("shape", self.shape))
        shifts = [*script.extra.get("shift_s", ()), *[0.0] * len(script.videos)]
        return [
            (shape.name.format(n), write_clip(video, shape, shift_s))
            for n, (video, shift_s) in enumerate(zip(script.videos, shifts, strict=False), start=1)
        ]

    def to_record(self, script: Script) -> Record:
        """Return the record of a script, without what the format has no place for."""
        record = self.write(self, script)
        if script.extra.get("holder") == "videos" and self.holder != "videos":
            record["videos"] = record.pop(self.holder)
        return record


def _read_choice(form: Format, record: Record) -> dict[str, Any]:
    videos = form.held(record)
    return {
        "question": record["question"],
        "kind": "choice",
        "options": _unlabelled(record["options"]),
        "key": _letter(record["correct_answer"], record["options"]),
        **form.clips(videos, numbered_names(videos)),
    }


def _write_choice(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "options": _labelled(script.options),
        "correct_answer": script.key,
        form.holder: dict(form.written(script)),
    }


def _read_letters(form: Format, record: Record) -> dict[str, Any]:
    choice = _read_choice(form, {**record, "correct_answer": "A"})
    key = sorted({_letter(letter, record["options"]) for letter in record["answer"]})
    return {**choice, "kind": "choices", "key": key}


def _write_letters(form: Format, script: Script) -> Record:
    record = _write_choice(form, script)
    record["answer"] = record.pop("correct_answer")
    return record


def _read_grounding(form: Format, record: Record) -> dict[str, Any]:
    videos = form.held(record)
    reference, answer = ([read_time_s(end) for end in record[name]] for name in ("ref_segment", "answer"))
    windows = [(1, *reference), (2, *answer)]
    return {
        "question": record.get("question") or FSA_QUESTION.format(*reference),
        "kind": "interval",
        "key": tuple(answer),
        **form.clips(videos, ("video_A", "video_B")),
        "evidence": tuple(Citation(video=n, start_s=a, end_s=b, modality="visual") for n, a, b in windows),
    }


def _write_grounding(form: Format, script: Script) -> Record:
    references = [window for window in script.evidence if window.video == 1]
    return {
        "question": script.question,
        "answer": list(script.key) if isinstance(script.key, tuple) else script.key,
        "ref_segment": [references[0].start_s, references[0].end_s] if references else [],
        form.holder: _named(("video_A", "video_B"), form.written(script)),
    }


def _read_plot(form: Format, record: Record) -> dict[str, Any]:
    parts = form.held(record)
    return {
        "question": record.get("question") or "What happened between the beginning (video 1) and the ending (video 2)?",
        "kind": "choice",
        "options": _unlabelled(record["options"]),
        "key": _letter(record["correct_answer"], record["options"]),
        **form.clips(parts, ("beginning", "ending"), ("beginning", "ending"), starts_s=None),
    }


def _write_plot(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "options": _labelled(script.options),
        "correct_answer": script.key,
        form.holder: _named(("beginning", "ending"), form.written(script)),
    }


def _read_sort(form: Format, record: Record) -> dict[str, Any]:
    segments = form.held(record)
    return {
        "question": record.get("question") or "In which order were these segments of one recording filmed?",
        "kind": "order",
        "key": _order(record["answer"]),
        **_segments(segments),
    }


def _write_sort(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "answer": script.key,
        form.holder: {
            str(n): {"interval": [[0.0, video.duration_s]], "detailed_timeline": write_events(video.scenes)}
            for n, video in enumerate(script.videos, start=1)
        },
    }


def _read_drones(form: Format, record: Record) -> dict[str, Any]:
    question = record["question"]
    rows = sorted(form.held(record), key=lambda row: read_time_s(row["timestamp"]))
    starts = [read_time_s(row["timestamp"]) for row in rows]
    ends = [*starts[1:], starts[-1] + ROW_S]
    videos: list[ScriptedVideo] = []
    for view in ("view_a", "view_b"):
        scenes = [
            Scene(start_s=start_s, end_s=end_s, visual=str(row.get(view) or ""))
            for row, start_s, end_s in zip(rows, starts, ends, strict=True)
        ]
        videos.append(ScriptedVideo(duration_s=ends[-1], scenes=tuple(scenes), title=view.replace("_", " ")))
    return {
        "question": question["text"],
        "kind": "choice",
        "options": _unlabelled(question["options"]),
        "key": _letter(question["correct_answer"], question["options"]),
        "videos": tuple(videos),
    }


def _write_drones(form: Format, script: Script) -> Record:
    one, other = (video.scenes for video in script.videos)
    return {
        "question": {
            "text": script.question,
            "options": _labelled(script.options),
            "correct_answer": script.key,
        },
        form.holder: [
            {"timestamp": a.start_s, "view_a": a.visual, "view_b": b.visual} for a, b in zip(one, other, strict=False)
        ],
    }


def _segments(held: Mapping[str, Any]) -> dict[str, Any]:
    """Read the segments of a recording, each with its times moved to start at 0."""
    names = numbered_names(held)
    read = [read_clip(_segment(held[name]), title=f"segment {n}", starts_s=0.0) for n, name in enumerate(names, 1)]
    notes = [f"segment {n}: {note}" for n, clip in enumerate(read, 1) for note in clip.notes]
    return {"videos": tuple(clip.video for clip in read), "extra": {"notes": notes} if notes else {}}


def _segment(held: Mapping[str, Any]) -> Record:
    """Return a segment as a clip that starts at 0; several intervals of it are taken as one."""
    spans = [[read_time_s(end) for end in span] for span in held["interval"]]
    start_s, end_s = spans[0][0], spans[-1][1]
    events = [
        {**event, "start": read_time_s(event["start"]) - start_s, "end": read_time_s(event["end"]) - start_s}
        for event in held["detailed_timeline"]
    ]
    return {"duration": end_s - start_s, "timeline": events}


def _named(names: Sequence[str], written: Sequence[tuple[str, Any]]) -> Record:
    return {name: clip for name, (_, clip) in zip(names, written, strict=True)}


def _order(answer: Any) -> str:
    """Return an order as "2->1->3", from that or from a list."""
    parts = cast(list[Any], answer) if isinstance(answer, list) else re.split(r"->|,|>", str(answer))
    return "->".join(str(part).strip() for part in parts)


def _letter(answer: Any, stored: Any) -> str:
    """Return the letter of a key: "B", "b.", "B. Video 2", or the text of an option.

    Raises:
        ValueError: it names no option.
    """
    text, options = str(answer).strip(), _lettered(stored)
    match = _KEY.match(text)
    for letter, labelled in zip(ascii_uppercase, options, strict=False):
        if text == _LABEL.sub("", labelled).strip() or (match and match[1].upper() == letter):
            return letter
    raise ValueError(f"the answer {text!r} is not one of the options A to {ascii_uppercase[len(options) - 1]}")


def _unlabelled(stored: Any) -> tuple[str, ...]:
    """Return the texts of the options in the order of their letters."""
    options = _lettered(stored)
    labelled = _first_letters(options) == list(ascii_uppercase[: len(options)])
    return tuple(_LABEL.sub("", text) if labelled else text for text in options)


def _lettered(stored: Any) -> list[str]:
    """Return options as a list: an object as "A. text", and a list that is out of order by its letters."""
    if isinstance(stored, dict):
        fields = cast(Record, stored)
        return [f"{letter}. {fields[letter]}" for letter in sorted(fields)]
    options = [str(option) for option in cast(list[Any], stored)]
    letters = _first_letters(options)
    in_disorder = sorted(letters) == list(ascii_uppercase[: len(options)])
    return sorted(options, key=lambda text: _first_letters([text])) if in_disorder else options


def _first_letters(options: Sequence[str]) -> list[str]:
    return [text.strip().lstrip("(")[:1] if _LABEL.match(text) else "" for text in options]


def _labelled(options: Sequence[str]) -> list[str]:
    return [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]


CLIPS = ClipShape("video_{}", "clips", duration=False)
FORMATS: dict[str, Format] = {
    form.generator: form
    for form in (
        Format("cooking", "CC", "videos", _read_choice, _write_choice),
        Format("movie", "NC", "videos", _read_choice, _write_choice),
        Format("assembly", "PEA", "videos", _read_choice, _write_choice, CLIPS),
        Format("behavior", "BU", "videos", _read_letters, _write_letters),
        Format("grounding", "FSA", "synthesized_videos", _read_grounding, _write_grounding, ClipShape("video_A")),
        Format("plot", "PI", "scripts", _read_plot, _write_plot, ClipShape("beginning")),
        Format("sort", "PSS", "segments", _read_sort, _write_sort),
        Format("uav_count", "MOC", "video_scripts", _read_drones, _write_drones),
        Format("uav_position", "MSR", "video_scripts", _read_drones, _write_drones),
    )
}
