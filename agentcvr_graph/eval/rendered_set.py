"""Render a small set in CrossVid's own layout from scripts of all ten tasks. The benchmark cannot be shipped; this can.

The set covers every case that the loader has to handle: clips inside longer files (PEA, PI, PSS), clips of several
intervals, drone views as folders of images with boxes, tags in questions, options with letters. Speech over a drone
view is written into its pictures, because a folder of images has no sound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from PIL import Image

from agentcvr_graph.eval.benchmarks.crossvid import UAV_FPS
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.scripts.schema import TASKS, Facts, Scene, Script, ScriptedVideo, Task, Thing
from agentcvr_graph.scripts.video import render_video_once
from agentcvr_graph.scripts.video.drawing import blank, boxes_of, draw_scene
from agentcvr_graph.types import later
from agentcvr_graph.utils.files import atomic_write_text

SCRIPTS = "scripts.jsonl"
Record = dict[str, Any]
FOLDERS: Mapping[Task, str] = {
    **dict.fromkeys(("CC", "PSS", "FSA", "CCQA"), "cook"),
    "NC": "movie",
    "PI": "movie",
    "PEA": "assembly",
    "BU": "behavior",
}
LEAD_S = 3.0
"""Idle time before and after the part of a video that counts (PEA)."""
MIDDLE_S = 6.0
"""Idle time between the beginning and the ending of a story, and between segments; no clip contains it."""
_REFERENCE = re.compile(r"(\d+(?:\.\d+)?) to (\d+(?:\.\d+)?) s of video 1")
_JPEG_QUALITY = 85


def render_set(scripts: Iterable[Script], folder: Path) -> int:
    """Write `QA/`, `videos/` and `uav/` for scripts, and the scripts themselves to `scripts.jsonl` (`SCRIPTS`).

    Videos that exist and are up to date are kept.

    Args:
        scripts: of CrossVid's tasks, made by the procedural generators; each is taken once the one before is rendered.

    Returns:
        The number of questions.

    Raises:
        SetupError: flite or a package of the extra `live` is not installed.
    """
    records: dict[Task, list[Record]] = {task: [] for task in TASKS}
    rendered: list[Script] = []
    for script in scripts:
        own = records[script.task]
        own.append({"id": len(own), **_RENDERERS[script.task](script, folder)})
        rendered.append(script)
    for task, own in records.items():
        if own:
            _write_json(_questions_file(folder, task), own)
    return write_scripts(rendered, folder / SCRIPTS)


def files_of_set(folder: Path, tasks: Iterable[Task]) -> list[Path]:
    """Return the files of questions and scripts that `render_set` writes for tasks."""
    return [*(_questions_file(folder, task) for task in tasks), folder / SCRIPTS]


def _questions_file(folder: Path, task: Task) -> Path:
    return folder / "QA" / f"{task}.json"


def _several(script: Script, folder: Path) -> Record:
    """Render BU, NC or CC: whole videos."""
    return {"videos": _render_all(script, folder), **_question_fields(script), "answer": script.key}


def _pea(script: Script, folder: Path) -> Record:
    """Render PEA: each assembly starts `LEAD_S` after the start of its video."""
    idle = ScriptedVideo(duration_s=LEAD_S)
    names: list[str] = []
    ends: list[float] = []
    for number, video in enumerate(script.videos, 1):
        whole, _ = concatenate([idle, video, idle], 0.0)
        names.append(_render(whole, script, f"_{number}", folder))
        ends.append(LEAD_S + video.duration_s)
    return {
        "videos": names,
        "begin": [LEAD_S] * len(names),
        "end": ends,
        **_question_fields(script),
        "answer": script.key,
    }


def _pi(script: Script, folder: Path) -> Record:
    """Render PI: one video with a beginning, a middle that no clip contains, and an ending."""
    whole, starts_s = concatenate(script.videos, MIDDLE_S)
    clips = [_intervals(start_s, video) for start_s, video in zip(starts_s, script.videos, strict=True)]
    return {
        "video": _render(whole, script, "", folder),
        "beginning": clips[0],
        "ending": clips[1],
        "options": _options(script),
        "answer": script.key,
    }


def _pss(script: Script, folder: Path) -> Record:
    """Render PSS: one recording in the right order; its segments are numbered in the order in which they are shown."""
    order = [int(number) for number in str(script.key).split("->")]
    whole, starts_s = concatenate([script.videos[number - 1] for number in order], MIDDLE_S)
    spans = {
        str(number): _intervals(start_s, script.videos[number - 1])
        for number, start_s in zip(order, starts_s, strict=True)
    }
    segments = {number: spans[number] for number in sorted(spans, key=int)}
    return {"video": _render(whole, script, "", folder), "segments": segments, "answer": script.key}


def _fsa(script: Script, folder: Path) -> Record:
    reference = _REFERENCE.search(script.question)
    assert reference is not None, "questions of the generator name an interval of video 1"
    one, other = _render_all(script, folder)
    segment = [float(reference[1]), float(reference[2])]
    return {"video A": one, "video B": other, "ref_segment": segment, "answer": script.key}


def _ccqa(script: Script, folder: Path) -> Record:
    one, other = _render_all(script, folder)
    points = list(script.scoring_points)
    return {
        "video A": one,
        "video B": other,
        "question": script.question,
        "answer": script.key,
        "scoring_points": points,
    }


def _drones(script: Script, folder: Path) -> Record:
    """Render MSR or MOC: two folders of images. Objects that a question names are tagged, and boxed in their view."""
    things = list(dict.fromkeys(_name(thing) for video in script.videos for thing in _things(video)))
    for number, video in enumerate(script.videos, 1):
        _render_frames(video, number, script.id, things, folder / "uav")
    named = [name for name in sorted(things, key=len, reverse=True) if f"the {name} " in script.question]
    named.sort(key=script.question.index)
    question = script.question
    for place, name in enumerate(named, 1):
        question = question.replace(f"the {name} ", f"the {name} {{{'AB'[place - 1]}{place}}} ", 1)
    objects = [{"id": things.index(name)} for name in named]
    return {
        "vid": script.id,
        "objects": objects,
        **_question_fields(script),
        "question": question,
        "answer": script.key,
    }


def _render_frames(video: ScriptedVideo, view: int, vid: str, things: Sequence[str], uav: Path) -> None:
    """Write the frames of a view, and the boxes of all things in it."""
    frames = uav / "frames" / str(view) / f"{vid}-{view}"
    frames.mkdir(parents=True, exist_ok=True)
    boxes: dict[str, dict[str, Any]] = {name: {} for name in things}
    for index in range(max(1, round(video.duration_s * UAV_FPS))):
        time_s = index / UAV_FPS
        scene = next((scene for scene in video.scenes if scene.start_s <= time_s < scene.end_s), None)
        shown = _written(scene) if scene else Facts()
        progress = (time_s - scene.start_s) / (scene.end_s - scene.start_s) if scene else 0.0
        picture = draw_scene(shown, progress) if scene else blank()
        Image.fromarray(picture).save(frames / f"{index:06d}.jpg", quality=_JPEG_QUALITY)
        found = {_name(thing): box for thing, box in boxes_of(shown, progress)}
        for name in things:
            box = found.get(name)
            edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(round, box), strict=True)) if box else None
            boxes[name][str(index)] = edges
    stored = [{"id": n, "bbox": boxes[name]} for n, name in enumerate(things)]
    _write_json(uav / "bbox" / str(view) / f"{vid}.json", stored)


def _written(scene: Scene) -> Facts:
    """Return the facts of a scene, with its speech as one more line of text."""
    said = (scene.caption,) if scene.caption else ()
    return scene.facts.model_copy(update={"text": (*scene.facts.text, *said)})


def concatenate(videos: Sequence[ScriptedVideo], gap_s: float) -> tuple[ScriptedVideo, list[float]]:
    """Return one video that shows the given ones in sequence, `gap_s` apart, and the start of each."""
    scenes: list[Scene] = []
    starts_s: list[float] = []
    end_s = -gap_s
    for video in videos:
        starts_s.append(end_s + gap_s)
        scenes += [_later(scene, starts_s[-1]) for scene in video.scenes]
        end_s = starts_s[-1] + video.duration_s
    return ScriptedVideo(duration_s=end_s, scenes=tuple(scenes)), starts_s


def _later(scene: Scene, shift_s: float) -> Scene:
    sounds = tuple(
        sound.model_copy(update={"start_s": sound.start_s + shift_s, "end_s": sound.end_s + shift_s})
        for sound in scene.facts.sounds
    )
    speech_s = (scene.speech_s[0] + shift_s, scene.speech_s[1] + shift_s) if scene.speech_s else None
    return scene.model_copy(
        update={
            "start_s": scene.start_s + shift_s,
            "end_s": scene.end_s + shift_s,
            "speech_s": speech_s,
            "word_times_s": later(scene.word_times_s, shift_s),
            "facts": scene.facts.model_copy(update={"sounds": sounds}),
        }
    )


def _intervals(start_s: float, video: ScriptedVideo) -> list[list[float]]:
    """Return the intervals of a video within a longer one: two, cut between scenes, if it has several scenes."""
    end_s = round(start_s + video.duration_s, 3)
    middle = video.scenes[len(video.scenes) // 2].start_s if len(video.scenes) > 1 else 0.0
    if middle <= 0:
        return [[start_s, end_s]]
    cut_s = round(start_s + middle, 3)
    return [[start_s, cut_s], [cut_s, end_s]]


def _render_all(script: Script, folder: Path) -> list[str]:
    """Render whole videos; return their files, relative to `videos/`."""
    return [_render(video, script, f"_{number}", folder) for number, video in enumerate(script.videos, 1)]


def _render(video: ScriptedVideo, script: Script, suffix: str, folder: Path) -> str:
    name = f"{FOLDERS[script.task]}/{script.id}{suffix}.mp4"
    path = folder / "videos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    render_video_once(video, path, f"{script.id}{suffix}")
    return name


def _question_fields(script: Script) -> Record:
    return {"question": script.question, "options": _options(script)}


def _options(script: Script) -> list[str]:
    return [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, script.options, strict=False)]


def _things(video: ScriptedVideo) -> Iterator[Thing]:
    for scene in video.scenes:
        yield from scene.facts.things


def _name(thing: Thing) -> str:
    return f"{thing.colour} {thing.name}" + (f" {thing.label}" if thing.label else "")


def _write_json(path: Path, stored: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


_RENDERERS: Mapping[Task, Callable[[Script, Path], Record]] = {
    **dict.fromkeys(("BU", "NC", "CC"), _several),
    "PEA": _pea,
    "PI": _pi,
    "PSS": _pss,
    "FSA": _fsa,
    "CCQA": _ccqa,
    "MSR": _drones,
    "MOC": _drones,
}
