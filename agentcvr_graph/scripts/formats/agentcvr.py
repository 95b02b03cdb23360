"""The nine formats in which AgentCVR released its synthetic scripts, as pairs of functions: record to script and back.

| generator | task | answer | timelines |
|---|---|---|---|
| cooking, movie, assembly | CC, NC, PEA | `correct_answer`: letter | `videos`: {"1": {`duration`, `timeline`}, ...} |
| behavior | BU | `answer`: letters | as above |
| grounding | FSA | `answer`: [s, s]; `ref_segment` | `synthesized_videos`: {"video_A": ..., "video_B": ...} |
| plot | PI | `correct_answer` | `scripts`: {"beginning": timeline, "ending": timeline} |
| sort | PSS | `answer`: "2->1->3" | `segments`: {"1": {`interval`, `detailed_timeline`}, ...} |
| uav_count, uav_position | MOC, MSR | `question`: {`text`, `options`, `correct_answer`} | `video_scripts`: rows |

A later release calls every place of timelines `videos`; `Script.extra["holder"]` remembers which name a record used. An
event is {`start`, `end`, `visual`, `caption`}. The segments of a sorted recording start at their own zero here, and the
two drone views become two videos. These functions carry what the formats have in common with a script; what else a
record or a script holds is the business of `round_trip.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, cast

from agentcvr_graph.scripts.schema import Origin, Scene, Script, ScriptedVideo, Task
from agentcvr_graph.types import Citation

Record = dict[str, Any]
ROW_S = 2.0
"""Seconds between the rows of a drone script."""
FSA_QUESTION = "Which interval of video 2 serves the same function as {0:g} to {1:g} s of video 1?"
_LABEL = re.compile(r"^\s*\(?[A-Z][.):]\s+")


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
        extra = {} if self.holder_in(record) == self.holder else {"holder": "videos"}
        origin = Origin(generator=f"agentcvr/{self.generator}")
        return Script(id=script_id, task=self.task, origin=origin, extra=extra, **self.read(self, record))

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
        "key": str(record["correct_answer"]).strip().upper(),
        "videos": tuple(_video(videos[name]) for name in _numbered(videos)),
    }


def _write_choice(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "options": _labelled(script.options),
        "correct_answer": script.key,
        form.holder: {str(n): _clip(video) for n, video in enumerate(script.videos, start=1)},
    }


def _read_letters(form: Format, record: Record) -> dict[str, Any]:
    choice = _read_choice(form, {**record, "correct_answer": ""})
    return {**choice, "kind": "choices", "key": [str(letter).strip().upper() for letter in record["answer"]]}


def _write_letters(form: Format, script: Script) -> Record:
    record = _write_choice(form, script)
    record["answer"] = record.pop("correct_answer")
    return record


def _read_grounding(form: Format, record: Record) -> dict[str, Any]:
    videos, reference, answer = form.held(record), record["ref_segment"], record["answer"]
    windows = [(1, *reference), (2, *answer)]
    return {
        "question": record.get("question") or FSA_QUESTION.format(*reference),
        "kind": "interval",
        "key": tuple(answer),
        "videos": tuple(_video(videos[name]) for name in ("video_A", "video_B")),
        "evidence": tuple(Citation(video=n, start_s=a, end_s=b, modality="visual") for n, a, b in windows),
    }


def _write_grounding(form: Format, script: Script) -> Record:
    references = [window for window in script.evidence if window.video == 1]
    return {
        "question": script.question,
        "answer": list(script.key) if isinstance(script.key, tuple) else script.key,
        "ref_segment": [references[0].start_s, references[0].end_s] if references else [],
        form.holder: {f"video_{letter}": _clip(video) for letter, video in zip("AB", script.videos, strict=True)},
    }


def _read_plot(form: Format, record: Record) -> dict[str, Any]:
    parts = form.held(record)
    return {
        "question": record.get("question") or "What happened between the beginning (video 1) and the ending (video 2)?",
        "kind": "choice",
        "options": _unlabelled(record["options"]),
        "key": str(record["correct_answer"]).strip().upper(),
        "videos": tuple(_video(parts[name], title=name) for name in ("beginning", "ending")),
    }


def _write_plot(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "options": _labelled(script.options),
        "correct_answer": script.key,
        form.holder: {
            name: _events(video.scenes) for name, video in zip(("beginning", "ending"), script.videos, strict=True)
        },
    }


def _read_sort(form: Format, record: Record) -> dict[str, Any]:
    segments = form.held(record)
    return {
        "question": record.get("question") or "In which order were these segments of one recording filmed?",
        "kind": "order",
        "key": re.sub(r"\s", "", str(record["answer"])),
        "videos": tuple(_segment(segments[name], f"segment {name}") for name in _numbered(segments)),
    }


def _write_sort(form: Format, script: Script) -> Record:
    return {
        "question": script.question,
        "answer": script.key,
        form.holder: {
            str(n): {"interval": [[0.0, video.duration_s]], "detailed_timeline": _events(video.scenes)}
            for n, video in enumerate(script.videos, start=1)
        },
    }


def _read_drones(form: Format, record: Record) -> dict[str, Any]:
    rows, question = form.held(record), record["question"]
    ends = [float(row["timestamp"]) for row in rows[1:]]
    ends.append(float(rows[-1]["timestamp"]) + ROW_S)
    videos: list[ScriptedVideo] = []
    for view in ("view_a", "view_b"):
        scenes = [
            Scene(start_s=row["timestamp"], end_s=end_s, visual=row[view])
            for row, end_s in zip(rows, ends, strict=True)
        ]
        videos.append(ScriptedVideo(duration_s=ends[-1], scenes=tuple(scenes), title=view.replace("_", " ")))
    return {
        "question": question["text"],
        "kind": "choice",
        "options": _unlabelled(question["options"]),
        "key": str(question["correct_answer"]).strip().upper(),
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


def _video(held: Any, title: str = "") -> ScriptedVideo:
    """Read a clip: {duration, timeline}, or a timeline alone, which is as long as its last event."""
    clip: Record = {"timeline": cast(list[Any], held)} if isinstance(held, list) else cast(Record, held)
    scenes = tuple(_scene(event) for event in clip["timeline"])
    stated = clip.get("duration")
    return ScriptedVideo(duration_s=stated or scenes[-1].end_s, scenes=scenes, title=title)


def _segment(held: Mapping[str, Any], title: str) -> ScriptedVideo:
    """Read a segment of a recording, with its times moved to start at 0."""
    start_s, end_s = held["interval"][0]
    scenes = tuple(_scene(event, -float(start_s)) for event in held["detailed_timeline"])
    return ScriptedVideo(duration_s=float(end_s) - float(start_s), scenes=scenes, title=title)


def _scene(event: Mapping[str, Any], shift_s: float = 0.0) -> Scene:
    start_s, end_s = float(event["start"]) + shift_s, float(event["end"]) + shift_s
    return Scene(start_s=start_s, end_s=end_s, visual=event["visual"], caption=event.get("caption") or "")


def _clip(video: ScriptedVideo) -> Record:
    return {"duration": video.duration_s, "timeline": _events(video.scenes)}


def _events(scenes: Sequence[Scene]) -> list[Record]:
    return [
        {"start": scene.start_s, "end": scene.end_s, "visual": scene.visual}
        | ({"caption": scene.caption} if scene.caption else {})
        for scene in scenes
    ]


def _numbered(held: Mapping[str, Any]) -> list[str]:
    return sorted(held, key=int)


def _unlabelled(options: Sequence[str]) -> tuple[str, ...]:
    return tuple(_LABEL.sub("", option) for option in options)


def _labelled(options: Sequence[str]) -> list[str]:
    return [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]


FORMATS: dict[str, Format] = {
    form.generator: form
    for form in (
        Format("cooking", "CC", "videos", _read_choice, _write_choice),
        Format("movie", "NC", "videos", _read_choice, _write_choice),
        Format("assembly", "PEA", "videos", _read_choice, _write_choice),
        Format("behavior", "BU", "videos", _read_letters, _write_letters),
        Format("grounding", "FSA", "synthesized_videos", _read_grounding, _write_grounding),
        Format("plot", "PI", "scripts", _read_plot, _write_plot),
        Format("sort", "PSS", "segments", _read_sort, _write_sort),
        Format("uav_count", "MOC", "video_scripts", _read_drones, _write_drones),
        Format("uav_position", "MSR", "video_scripts", _read_drones, _write_drones),
    )
}
