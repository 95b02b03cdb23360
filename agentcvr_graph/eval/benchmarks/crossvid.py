"""CrossVid (arXiv 2511.12263): ten tasks, in the layout of its own release or of the AgentCVR release.

Where files are is the business of `crossvid_layout.py`. AgentCVR's drone questions have `class: "<class>-<number>"` in
place of `vid` and `objects`: the objects are the moving and then the unmoving ones of a sample of the class.

The release gives no question text for PI, FSA and PSS, so this module adds it. Clips (PEA, PI, PSS) become media
fragments; a segment of several intervals is one clip. In the drone tasks the tags of a question (`{A1}`: the first of
its objects, in view A) become obj_1, obj_2, ... in order of appearance, and the boxes of these objects are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.benchmarks.base import (
    Benchmark,
    as_fields,
    make_benchmark,
    read_json,
    read_list,
    read_question,
)
from agentcvr_graph.eval.benchmarks.crossvid_layout import Layout, layout_of, task_files
from agentcvr_graph.eval.benchmarks.gold import read_gold
from agentcvr_graph.eval.benchmarks.options import Options, read_options
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


def load(data: Path, videos: Path | None = None) -> Benchmark:
    """Return the questions of all tasks whose files exist; a task without one is a note.

    Args:
        data: the folder that holds `QA/` or `question/`.
        videos: the root of the videos; None for `data/videos` if it exists, else `data`.

    Raises:
        InputError: there is no file of questions, or a file has another format.
    """
    layout = layout_of(data, videos)
    stored: dict[Task, tuple[Path, list[Any]]] = {
        task: (path, read_list(path)) for task, path in task_files(layout) if path.exists()
    }
    if not any(questions for _, questions in stored.values()):
        raise InputError(
            f"{data} holds no QA/<TASK>.json and no question/<TASK>.json with questions.",
            fix=f"Tasks are {', '.join(TASKS)}.",
        )
    found = [
        read_question(partial(_question, task, as_fields(one), layout), f"{task}-{n}", task, f"{path}: question {n}")
        for task, (path, questions) in stored.items()
        for n, one in enumerate(questions)
    ]
    return make_benchmark("crossvid", found, averages=AVERAGES, notes=tuple(_notes(layout, stored)))


def _notes(layout: Layout, stored: Mapping[Task, tuple[Path, list[Any]]]) -> Iterator[str]:
    yield f"{layout.name}'s layout; questions from {layout.data}, videos from {layout.videos}"
    for task, path in task_files(layout):
        if task not in stored:
            yield f"no questions for {task}: there is no {path}"
        elif not stored[task][1]:
            yield f"no questions for {task}: {path} is an empty list"


def _question(task: Task, fields: Fields, layout: Layout) -> Question:
    words, videos, names = _READERS[task](fields, layout)
    given = read_options(fields.get("options"))
    options = Options(tuple(_renamed(text, names) for text in given.texts), given.labels)
    kind = KIND_OF[task]
    return Question(
        id=f"{task}-{fields['id']}",
        task=task,
        question=words,
        videos=tuple(videos),
        options=options.texts,
        kind=kind,
        key=read_gold(_answer(task, fields), kind, options, len(videos)),
        scoring_points=tuple(str(point) for point in fields.get("scoring_points") or ()),
    )


def _answer(task: Task, fields: Fields) -> Any:
    """Return the stored answer; that of PSS as positions, whatever numbers its segments have."""
    answer = fields["answer"]
    if task != "PSS":
        return answer
    numbers = [number for number, _ in _segments(fields)]
    named = [int(digits) for digits in re.findall(r"\d+", str(answer))]
    if sorted(named) != sorted(numbers):
        raise InputError(f"the answer {answer!r} does not order the segments {', '.join(map(str, numbers))}.")
    return "->".join(str(numbers.index(number) + 1) for number in named)


class Read(NamedTuple):
    """The question text, videos and object names read from a task's fields."""

    words: str
    videos: list[Video]
    names: Mapping[str, str] = {}
    """Tag -> name of an object."""


def _several(task: Task, more: str = "") -> Callable[[Fields, Layout], Read]:
    """Return a reader for BU, NC, CC and PEA: videos of which only [begin, end] counts, where a question says so."""

    def read(fields: Fields, layout: Layout) -> Read:
        if not isinstance(fields["videos"], list):
            raise InputError(f"'videos' is {fields['videos']!r}.", fix="It must be a list of names.")
        names = cast(list[str], fields["videos"])
        clips = zip_longest(names, *(_times(fields, part, len(names)) for part in ("begin", "end")))
        sources = [_clipped(layout.video(name, task), begin, end) for name, begin, end in clips]
        return Read(fields["question"] + more, [_video(source, n) for n, source in enumerate(sources, 1)])

    return read


def _times(fields: Fields, part: str, count: int) -> Sequence[Any]:
    """Return the times in a field, one a video; none where the field is missing or null."""
    times: Any = fields.get(part) or [None] * count
    if not isinstance(times, list) or len(cast(list[Any], times)) != count:
        raise InputError(f"{part!r} is {times!r} for {count} videos.", fix="It must be a list with one time a video.")
    return cast(list[Any], times)


def _clipped(source: str, begin: Any, end: Any) -> str:
    """Return a source with a clip from begin to end; a missing end is the end of the video."""
    if end is not None:
        return clip_of(source, [[begin or 0, end]])
    return f"{source}#t={_number(read_time_s(begin))}" if begin else source


def _pi(fields: Fields, layout: Layout) -> Read:
    """Read a PI question: two clips of one video."""
    source = layout.video(fields["video"], "PI")
    clips = [Video(source=clip_of(source, fields[part]), title=part) for part in ("beginning", "ending")]
    return Read("Video 1 is the beginning and video 2 the ending of a clip of a film. What happened in between?", clips)


def _fsa(fields: Fields, layout: Layout) -> Read:
    start_s, end_s = map(read_time_s, fields["ref_segment"])
    words = f"Which interval of video 2 serves the same purpose as {start_s:g} to {end_s:g} s of video 1?"
    return Read(words, _pair(fields, layout, "FSA"))


def _pss(fields: Fields, layout: Layout) -> Read:
    """Read a PSS question: segments of one video, in the order of their numbers."""
    source = layout.video(fields["video"], "PSS")
    clips = [
        Video(source=clip_of(source, spans), title=f"segment {place}")
        for place, (_, spans) in enumerate(_segments(fields), 1)
    ]
    return Read("These clips are shuffled segments of one recording. In which order were they filmed?", clips)


def _segments(fields: Fields) -> list[tuple[int, Any]]:
    """Return the segments of a PSS question with their numbers, the digits of names such as "2" or "segment_2"."""
    stored = cast(dict[str, Any], fields["segments"])
    numbers = {name: "".join(re.findall(r"\d", name)) for name in stored}
    if unnamed := [name for name, digits in numbers.items() if not digits]:
        raise InputError(f"the segment {unnamed[0]!r} has no number in its name.")
    return sorted((int(numbers[name]), spans) for name, spans in stored.items())


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
    marked = [(_object_id(objects, tag), name) for tag, name in names.items() if tag[0] == view]
    return Video(
        source=str(layout.drone("frames", str(number), f"{vid}-{number}")),
        fps=UAV_FPS,
        boxes=str(layout.drone("bbox", str(number), f"{vid}.json")) if marked else None,
        objects=tuple(marked),
        title=f"view {view}",
    )


def _object_id(objects: Sequence[Fields], tag: str) -> str:
    place = int(tag[1:])
    if not 1 <= place <= len(objects):
        raise InputError(f"the question names {{{tag}}}, but it has {len(objects)} objects.")
    return str(objects[place - 1]["id"])


def _scene(fields: Fields, layout: Layout) -> tuple[str, Sequence[Fields]]:
    """Return the recording's id, and its objects in the order in which tags count them."""
    if "vid" in fields:
        return str(fields["vid"]), cast(Sequence[Fields], fields.get("objects") or ())
    if "class" not in fields:
        raise KeyError("vid")
    scene, dash, number = str(fields["class"]).rpartition("-")
    if not dash:
        raise InputError(f"the class {fields['class']!r} names no sample.", fix="It must be '<class>-<number>'.")
    path = layout.drone("samples", f"{scene}.json")
    return scene, _objects_of(_sample(read_json(path), number, path))


def _sample(stored: Any, number: str, path: Path) -> Any:
    samples = cast("list[Any] | dict[str, Any]", stored)
    held = samples if isinstance(samples, dict) else {str(n): one for n, one in enumerate(samples)}
    if number not in held:
        raise InputError(f"{path} has no sample {number}; it has {len(held)}.")
    return held[number]


def _objects_of(sample: Any) -> list[Fields]:
    """Return the objects of a sample: a list, or lists of moving and unmoving ones, in this order."""
    fields = as_fields(sample)
    if "moving" in fields or "unmoving" in fields:
        listed: list[Any] = [*(fields.get("moving") or ()), *(fields.get("unmoving") or ())]
    else:
        listed = fields.get("objects", sample)
    return [as_fields(one) or {"id": one} for one in listed]


def _pair(fields: Fields, layout: Layout, task: Task) -> list[Video]:
    return [_video(layout.video(fields[f"video {letter}"], task), n) for n, letter in enumerate("AB", 1)]


def _video(source: str, number: int) -> Video:
    """Return a video titled by its number, because a file name may reveal what the video shows."""
    return Video(source=source, title=f"video {number}")


def clip_of(source: str, spans: Any) -> str:
    """Return a source with the fragment of one interval or of several; leave out those that end before they start.

    >>> clip_of("a.mp4", [[1, 2.5], ["0:04", 6]])
    'a.mp4#t=1,2.5&t=4,6'
    """
    several = spans if spans and isinstance(spans[0], list | tuple) else [spans]
    times = [(read_time_s(start), read_time_s(end)) for start, end in several]
    kept = [f"t={_number(start_s)},{_number(end_s)}" for start_s, end_s in times if start_s < end_s]
    if not kept:
        raise ValueError(f"no interval in {spans!r}")
    return f"{source}#{'&'.join(kept)}"


def _number(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


_READERS: dict[Task, Callable[[Fields, Layout], Read]] = {
    "BU": _several("BU"),
    "NC": _several("NC"),
    "CC": _several("CC"),
    "PEA": _several("PEA", f" {ERRORS}"),
    "PI": _pi,
    "FSA": _fsa,
    "PSS": _pss,
    "MSR": _drones,
    "MOC": _drones,
    "CCQA": _ccqa,
}
