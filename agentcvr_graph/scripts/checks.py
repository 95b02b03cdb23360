"""Checks of a script: everything that can be wrong with one, each with its place.

An error makes a script unusable (its key can never be right, or two scenes claim the same second). A warning reports
something that is allowed and seldom intended (a second without a scene). Nothing is fixed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from agentcvr_graph.answers import KINDS, read_key, repeated_options
from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.legibility import is_legible
from agentcvr_graph.scripts.schema import Facts, Scene, Script, ScriptedVideo

TOLERANCE_S = 0.05
"""Gaps and overlaps of scenes up to this are rounding of times."""


class Problem(NamedTuple):
    """A fault of a script."""

    place: str
    """Such as `videos[2].scenes[5]`, both counted from 1."""
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.severity}: {self.place}: {self.message}"


def check_script(script: Script) -> list[Problem]:
    """Return all faults of a script, in the order of its fields."""
    return [*_check_question(script), *_check_videos(script), *_check_evidence(script)]


def errors_of(script: Script) -> list[Problem]:
    """Return the faults that make a script unusable."""
    return [problem for problem in check_script(script) if problem.severity == "error"]


def _check_question(script: Script) -> Iterator[Problem]:
    if len(script.videos) < 2:
        yield Problem("videos", "there is one video only; the question needs no other", "warning")
    if KINDS[script.kind].needs_options and len(script.options) < 2:
        yield Problem("options", f"a question of kind {script.kind!r} needs at least 2, and has {len(script.options)}")
        return
    if script.options and not KINDS[script.kind].takes_options:
        yield Problem("options", f"a question of kind {script.kind!r} takes none, and has {len(script.options)}")
    for option in repeated_options(script.options):
        yield Problem("options", f"{option!r} is there more than once")
    try:
        count = len(script.options or script.videos)
        value = read_key(script.key, script.kind, script.options, count)
    except InputError as error:
        yield Problem("key", str(error))
        return
    if value != script.key and KINDS[script.kind].score(value, script.key) < 1:
        yield Problem("key", f"{script.key!r} is scored as it stands; write {value!r}")
    if isinstance(value, tuple) and value[1] > max(video.duration_s for video in script.videos) + TOLERANCE_S:
        yield Problem("key", f"the interval ends at {value[1]:g} s, and no video is that long")


def _check_videos(script: Script) -> Iterator[Problem]:
    for number, video in enumerate(script.videos, start=1):
        place = f"videos[{number}]"
        if not video.scenes:
            yield Problem(place, "it has no scenes", "warning")
        for index, scene in enumerate(video.scenes, start=1):
            yield from _check_scene(scene, video, f"{place}.scenes[{index}]")
        yield from _check_joints(video, place)


def _check_scene(scene: Scene, video: ScriptedVideo, place: str) -> Iterator[Problem]:
    if scene.end_s <= scene.start_s:
        yield Problem(place, f"it ends at {scene.end_s:g} s, not after its start at {scene.start_s:g} s")
    if scene.end_s > video.duration_s + TOLERANCE_S:
        yield Problem(place, f"it ends at {scene.end_s:g} s, but the video at {video.duration_s:g} s")
    if not video.picture and (scene.visual or scene.facts.model_copy(update={"sounds": ()}) != Facts()):
        yield Problem(place, "it shows something, but its video has no picture")
    if not (scene.visual or scene.caption) and scene.facts == Facts():
        yield Problem(place, "it shows and says nothing", "warning")
    for sign in scene.facts.signs:
        if not is_legible(sign, video.height_px):
            yield Problem(place, f"its text {sign.text!r} is too small or too long to be read in any look", "warning")
    start_s, end_s = scene.spoken_s
    inside = scene.start_s - TOLERANCE_S <= start_s < end_s <= scene.end_s + TOLERANCE_S
    if scene.caption and not inside and scene.end_s > scene.start_s:
        yield Problem(place, f"its caption is spoken from {start_s:g} to {end_s:g} s, not inside the scene")
    words, times = len(scene.caption.split()), len(scene.word_times_s)
    if times not in (0, words):
        yield Problem(place, f"its caption has {words} words, and {times} word times, so they are not used", "warning")
    for sound in scene.facts.sounds:
        if not scene.start_s - TOLERANCE_S <= sound.start_s < sound.end_s <= scene.end_s + TOLERANCE_S:
            yield Problem(
                place, f"its {sound.kind} lasts from {sound.start_s:g} to {sound.end_s:g} s, not inside the scene"
            )


def _check_joints(video: ScriptedVideo, place: str) -> Iterator[Problem]:
    """Yield overlaps and gaps, also before the first scene and after the last."""
    first, last = (video.scenes[0], video.scenes[-1]) if video.scenes else (None, None)
    for index, (one, other) in enumerate(pairwise(video.scenes), start=2):
        where = f"{place}.scenes[{index}]"
        if other.start_s < one.end_s - TOLERANCE_S:
            yield Problem(
                where, f"it starts at {other.start_s:g} s, before the scene ahead of it ends at {one.end_s:g} s"
            )
        elif other.start_s > one.end_s + TOLERANCE_S:
            yield Problem(where, f"nothing happens from {one.end_s:g} to {other.start_s:g} s before it", "warning")
    if first and first.start_s > TOLERANCE_S:
        yield Problem(f"{place}.scenes[1]", f"nothing happens in the {first.start_s:g} s before it", "warning")
    if last and last.end_s < video.duration_s - TOLERANCE_S:
        yield Problem(place, f"nothing happens from {last.end_s:g} s to its end at {video.duration_s:g} s", "warning")


def _check_evidence(script: Script) -> Iterator[Problem]:
    for index, window in enumerate(script.evidence, start=1):
        place = f"evidence[{index}]"
        if window.video > len(script.videos):
            yield Problem(place, f"there is no video {window.video}; the last is {len(script.videos)}")
            continue
        duration_s = script.videos[window.video - 1].duration_s
        if not 0 <= window.start_s < window.end_s <= duration_s + TOLERANCE_S:
            yield Problem(
                place, f"{window.start_s:g}-{window.end_s:g} s lies outside video {window.video}, 0-{duration_s:g} s"
            )
