"""CrossVid (arXiv 2511.12263): ten tasks, in the layout of its own release or of the AgentCVR release.

    QA/<TASK>.json                     a list of questions each
    videos/{assembly,behavior,cook,movie}/...
    uav/frames/<view>/<vid>-<view>/*.jpg, uav/bbox/<view>/<vid>.json

The AgentCVR release has one folder per task below one root of videos. Its older drone questions have
`class: "<class>-<sample>"` and a file `samples/<class>.json` in place of `vid` and `objects`. Both layouts are read.

The release gives no question text for PI, FSA and PSS, so this module adds it. Clips (PEA, PI, PSS) become media
fragments; a segment of several intervals is one clip. In the drone tasks the tags of a question (`{A1}`: the first of
its objects, in view A) become obj_1, obj_2, ... in order of appearance, and the boxes of these objects are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from agentcvr_graph.answers import parse_answer
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    as_fields,
    first_existing,
    make_benchmark,
    read_json,
    read_list,
    read_question,
    strip_option_letters,
)
from agentcvr_graph.scripts.schema import KIND_OF, TASKS, Task
from agentcvr_graph.types import Question, Video

AVERAGES = {
    "C": ("BU", "NC", "CC", "PEA"),
    "T": ("PI", "FSA", "PSS"),
    "M": ("MSR", "MOC"),
    "O": TASKS,
}
"""Comparative, temporal and multi-view tasks, and all ten (README of the release)."""
UAV_FPS = 2.0
"""Assumed rate of the drone frames; the release does not state it. It only scales the clip's time. A low rate spreads
few frames over many seconds, so that sampling by time does not skip any."""
ERRORS = (
    "Errors are of four kinds: a step at the wrong time; a step that is wrong only because of an earlier one; a step "
    "that is not needed; and a part put on in the wrong place."
)
VIEWS = "Two drones film the same place at the same time: view A is video 1, view B video 2."
_TAG = re.compile(r"\{([AB])(\d+)\}")
Fields: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """The roots of a release's files."""

    data: Path
    videos: Path

    def video(self, name: str, task: str) -> str:
        """Return the video file that a field of a question names."""
        name = name.replace("\\", "/")
        places = (self.videos / name, self.videos / task / name, self.videos / task / Path(name).name)
        return str(first_existing(*places))

    def drone(self, *parts: str) -> Path:
        """Return a file or folder of the drone views."""
        return first_existing(*(root.joinpath(*parts) for root in (self.data / "uav", self.videos / "uav", self.data)))

    def files(self) -> Iterator[tuple[Task, Path]]:
        """Yield each task whose file of questions exists, with that file."""
        for task in TASKS:
            path = first_existing(self.data / "QA" / f"{task}.json", self.data / f"{task}.json")
            if path.exists():
                yield task, path


def load(data: Path, videos: Path | None = None) -> Benchmark:
    """Return the questions of all tasks whose files exist.

    Args:
        data: the folder that holds `QA/`.
        videos: the root of the videos; None for `data/videos` if it exists, else `data`.

    Raises:
        InputError: there is no file of questions, or a file has another format.
    """
    layout = Layout(data, videos or first_existing(data / "videos", data))
    found = [
        read_question(partial(_question, task, as_fields(one), layout), f"{task}-{n}", task, f"{path}: question {n}")
        for task, path in layout.files()
        for n, one in enumerate(read_list(path))
    ]
    if not found:
        raise InputError(f"There is no QA/<TASK>.json in {data}.", fix=f"Tasks are {', '.join(TASKS)}.")
    return make_benchmark("crossvid", found, averages=AVERAGES)


def _question(task: Task, fields: Fields, layout: Layout) -> Question:
    words, videos, names = _READERS[task](fields, layout)
    options = tuple(_renamed(option, names) for option in strip_option_letters(fields.get("options") or ()))
    kind = KIND_OF[task]
    return Question(
        id=f"{task}-{fields['id']}",
        task=task,
        question=words,
        videos=tuple(videos),
        options=options,
        kind=kind,
        key=parse_answer(fields["answer"], kind, options, len(videos)).value,
        scoring_points=tuple(str(point) for point in fields.get("scoring_points") or ()),
    )


class Read(NamedTuple):
    """The question text, videos and object names read from a task's fields."""

    words: str
    videos: list[Video]
    names: Mapping[str, str] = {}
    """Tag -> name of an object."""


def _several(task: str) -> Callable[[Fields, Layout], Read]:
    """Return a reader for BU, NC and CC: whole videos."""

    def read(fields: Fields, layout: Layout) -> Read:
        names = cast(Sequence[str], fields["videos"])
        return Read(fields["question"], [_video(layout.video(name, task), n) for n, name in enumerate(names, 1)])

    return read


def _pea(fields: Fields, layout: Layout) -> Read:
    """Read a PEA question: only [begin, end] of each video counts."""
    clips = zip(fields["videos"], fields["begin"], fields["end"], strict=True)
    videos = [
        _video(clip_of(layout.video(name, "PEA"), [[begin, end]]), n) for n, (name, begin, end) in enumerate(clips, 1)
    ]
    return Read(f"{fields['question']} {ERRORS}", videos)


def _pi(fields: Fields, layout: Layout) -> Read:
    """Read a PI question: two clips of one video."""
    source = layout.video(fields["video"], "PI")
    clips = [Video(source=clip_of(source, fields[part]), title=part) for part in ("beginning", "ending")]
    return Read("Video 1 is the beginning and video 2 the ending of a clip of a film. What happened in between?", clips)


def _fsa(fields: Fields, layout: Layout) -> Read:
    start_s, end_s = fields["ref_segment"]
    words = f"Which interval of video 2 serves the same purpose as {start_s:g} to {end_s:g} s of video 1?"
    return Read(words, _pair(fields, layout, "FSA"))


def _pss(fields: Fields, layout: Layout) -> Read:
    """Read a PSS question: segments of one video, in the order of their numbers."""
    source = layout.video(fields["video"], "PSS")
    segments = sorted(cast(dict[str, Any], fields["segments"]).items(), key=lambda item: int(item[0]))
    clips = [Video(source=clip_of(source, spans), title=f"segment {number}") for number, spans in segments]
    return Read("These clips are shuffled segments of one recording. In which order were they filmed?", clips)


def _ccqa(fields: Fields, layout: Layout) -> Read:
    return Read(fields["question"], _pair(fields, layout, "CCQA"))


def _drones(fields: Fields, layout: Layout) -> Read:
    """Read an MSR or MOC question: two simultaneous views, as folders of images."""
    vid, objects = _scene(fields, layout)
    text = " ".join([fields["question"], *map(str, fields.get("options") or ())])
    tags = list(dict.fromkeys(match.groups() for match in _TAG.finditer(text)))
    names = {f"{view}{place}": f"obj_{n}" for n, (view, place) in enumerate(tags, 1)}
    videos = [_view(vid, view, number, objects, names, layout) for number, view in enumerate("AB", 1)]
    boxed = f" Boxes mark {', '.join(names.values())}." if names else ""
    words = f"{_renamed(fields['question'], names)} {VIEWS}{boxed}"
    return Read(words, videos, names)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return _TAG.sub(lambda match: names.get(match[1] + match[2], match[0]), text)


def _view(
    vid: str, view: str, number: int, objects: Sequence[Fields], names: Mapping[str, str], layout: Layout
) -> Video:
    marked = [(str(objects[int(tag[1:]) - 1]["id"]), name) for tag, name in names.items() if tag[0] == view]
    return Video(
        source=str(layout.drone("frames", str(number), f"{vid}-{number}")),
        fps=UAV_FPS,
        boxes=str(layout.drone("bbox", str(number), f"{vid}.json")) if marked else None,
        objects=tuple(marked),
        title=f"view {view}",
    )


def _scene(fields: Fields, layout: Layout) -> tuple[str, Sequence[Fields]]:
    """Return the recording's id, and its objects in the order in which tags count them."""
    if "vid" in fields:
        return str(fields["vid"]), cast(Sequence[Fields], fields.get("objects") or ())
    scene, _, sample = str(fields["class"]).partition("-")
    samples = read_json(layout.drone("samples", f"{scene}.json"))
    found: Any = as_fields(samples)[sample] if isinstance(samples, dict) else samples[int(sample)]
    listed: Any = as_fields(found).get("objects", found)
    return scene, [as_fields(one) or {"id": one} for one in cast(list[Any], listed)]


def _pair(fields: Fields, layout: Layout, task: str) -> list[Video]:
    return [_video(layout.video(fields[f"video {letter}"], task), n) for n, letter in enumerate("AB", 1)]


def _video(source: str, number: int) -> Video:
    """Return a video titled by its number, because a file name may reveal what the video shows."""
    return Video(source=source, title=f"video {number}")


def clip_of(source: str, spans: Any) -> str:
    """Return a source with the fragment of one interval or of several; leave out those that end before they start.

    >>> clip_of("a.mp4", [[1, 2.5], [4, 6]])
    'a.mp4#t=1,2.5&t=4,6'
    """
    several = spans if spans and isinstance(spans[0], list | tuple) else [spans]
    kept = [f"t={start_s:g},{end_s:g}" for start_s, end_s in several if start_s < end_s]
    if not kept:
        raise ValueError(f"no interval in {spans!r}")
    return f"{source}#{'&'.join(kept)}"


_READERS: dict[Task, Callable[[Fields, Layout], Read]] = {
    **{task: _several(task) for task in ("BU", "NC", "CC")},
    "PEA": _pea,
    "PI": _pi,
    "FSA": _fsa,
    "PSS": _pss,
    "MSR": _drones,
    "MOC": _drones,
    "CCQA": _ccqa,
}
