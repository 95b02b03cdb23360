"""The text simulator: what frames of a scripted video show, and what a window of it sounds like.

Pure functions: timeline, request and noise in, evidence out. A scene is seen only where a frame falls on it. A movement
needs two frames of the scene, and its direction two that lie close together. From many frames in one call details are
lost, except those that the focus names. A caption is heard where its words fall into the window, word by word. Words
and form are those of the live agents (`render.picture_text`, `render.spoken`).
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from pydantic import BaseModel

from agentcvr_graph.media.sampling import DIRECTION_GAP_S
from agentcvr_graph.models.focus import stems
from agentcvr_graph.perception.clipping import clip_evidence
from agentcvr_graph.perception.noise import Noise, misheard, misread
from agentcvr_graph.render import picture_text, spoken
from agentcvr_graph.scripts.legibility import close_look, colours_in, is_small, lines_in
from agentcvr_graph.scripts.schema import Facts, Scene, ScriptedVideo
from agentcvr_graph.types import Evidence, Region, Target, Window, WordTimes, Zoom

SILENCE = "silence"
SILENCE_S = 1.5
"""Shorter pauses are not reported."""
_SHORTEST_S = 0.1
_DIRECTIONS = ("to the right", "to the left", "up", "down")


class Timeline:
    """One video's scenes, searchable by time."""

    def __init__(self, source: str, video: ScriptedVideo) -> None:
        self.source = source
        self.video = video
        self.descriptions: dict[tuple[int, str, Zoom | None], str] = {}
        """Scenes in words, by number, movement and zoom, without noise and crowding; filled as they are needed."""
        self.small = frozenset(n for n, scene in enumerate(video.scenes) if is_small(scene.facts))
        """Numbers of the scenes of which a closer look shows more."""
        self._starts_s = [scene.start_s for scene in video.scenes]
        self._ends_s = [scene.end_s for scene in video.scenes]

    @cached_property
    def digest(self) -> str:
        """A digest of everything that the script says of the video."""
        return digest_of(self.video)

    def index_at(self, time_s: float) -> int | None:
        """Return the number of the scene on screen at a time, from 0; None between scenes."""
        index = bisect_right(self._starts_s, time_s) - 1
        return index if index >= 0 and time_s < self._ends_s[index] else None

    def between(self, start_s: float, end_s: float) -> range:
        """Return the numbers of the scenes that reach into a window."""
        return range(bisect_right(self._ends_s, start_s), bisect_left(self._starts_s, end_s))

    def sounding(self, start_s: float, end_s: float) -> list[tuple[float, float]]:
        """Return when something is heard in a window, as (start_s, end_s) in order of time."""
        found: list[tuple[float, float]] = []
        for index in self.between(start_s, end_s):
            scene = self.video.scenes[index]
            found += [scene.spoken_s] if scene.caption else []
            found += [(sound.start_s, sound.end_s) for sound in scene.facts.sounds]
        return sorted(found)


def digest_of(model: BaseModel) -> str:
    """Return a digest of a model's fields."""
    return hashlib.blake2b(model.model_dump_json().encode(), digest_size=16).hexdigest()


class Glimpse(NamedTuple):
    """What one look shows of a scene."""

    description: str
    lines: Sequence[str]
    colours: Sequence[str]
    motion: str
    unread: Sequence[Region] = ()

    @property
    def text(self) -> str:
        return picture_text(*self)


class Attention(NamedTuple):
    """How much detail one call notices: fewer details the more frames it has."""

    frames: int
    """Frames of the whole call."""
    wanted: frozenset[str]
    """Stems of the focus."""

    def limit(self, glimpse: Glimpse, crowded_frames: int) -> Glimpse:
        """Return what is noticed of a glimpse: among many frames what stands out, and all that the focus names."""
        if self.frames <= crowded_frames or self.wanted & stems(glimpse.text):
            return glimpse
        if self.frames <= 2 * crowded_frames:
            return Glimpse(glimpse.description, glimpse.lines, (), "")
        return Glimpse(_gist(glimpse.description), glimpse.lines[:1], (), "")


def look(
    timeline: Timeline, target: Target, times_s: Sequence[float], attention: Attention, noise: Noise
) -> Iterator[Evidence]:
    """Yield one statement for each run of frames that fall on one scene.

    Its window reaches half-way to the neighbouring frames: where between them a scene began is unknown.
    """
    last, zoom = len(times_s) - 1, target.zoom
    for index, first, final in _runs(timeline, times_s):
        text = _describe(timeline, index, times_s[first : final + 1], attention, noise, zoom)
        if text:
            start_s = target.start_s if first == 0 else (times_s[first - 1] + times_s[first]) / 2
            end_s = target.end_s if final == last else (times_s[final] + times_s[final + 1]) / 2
            yield Evidence(text=text, window=Window(video=target.video, start_s=start_s, end_s=end_s))


def hear(timeline: Timeline, window: Window, noise: Noise) -> list[Evidence]:
    """Return the words and sounds in a window, cut at its edges, in order of time."""
    said = [
        cut
        for index in timeline.between(window.start_s, window.end_s)
        for sound in _sounds_of(timeline, index, window.video, noise)
        if (cut := clip_evidence(sound, window)) is not None
    ]
    return sorted([*said, *_silences(timeline, window)], key=lambda e: e.window.start_s if e.window else 0.0)


def _silences(timeline: Timeline, window: Window) -> Iterator[Evidence]:
    """Yield the parts of the window in which nothing sounds, as the live audio model reports them."""
    quiet_s = window.start_s
    for start_s, end_s in (*timeline.sounding(window.start_s, window.end_s), (window.end_s, window.end_s)):
        if start_s - quiet_s >= SILENCE_S:
            yield _statement(SILENCE, window.video, quiet_s, min(start_s, window.end_s))
        quiet_s = max(quiet_s, end_s)


def _runs(timeline: Timeline, times_s: Sequence[float]) -> Iterator[tuple[int, int, int]]:
    """Yield scene, first and last frame of each run of frames on one scene; frames between scenes are left out."""
    indices = [timeline.index_at(time_s) for time_s in times_s]
    first = 0
    for n, index in enumerate(indices):
        if n + 1 == len(indices) or indices[n + 1] != index:
            if index is not None:
                yield index, first, n
            first = n + 1


def _describe(
    timeline: Timeline,
    index: int,
    times_s: Sequence[float],
    attention: Attention,
    noise: Noise,
    zoom: Zoom | None = None,
) -> str:
    """Return a scene in words; empty where the script shows nothing."""
    scene = timeline.video.scenes[index]
    motion = _motion(scene.facts, times_s)
    unhurried = attention.frames <= noise.crowded_frames and not noise.affects_vision
    if unhurried and (known := timeline.descriptions.get((index, motion, zoom))):
        return known
    glimpse = _glimpse(scene, motion, zoom)
    if index in timeline.small:
        glimpse = _with_small_things(glimpse, scene, timeline.video.height_px, zoom)
    if not any(glimpse):
        return ""
    if unhurried:
        return timeline.descriptions.setdefault((index, motion, zoom), glimpse.text)
    if noise.affects_vision:
        glimpse = _with_noise(glimpse, noise, noise.at(timeline.source, index, f"{times_s[0]:.2f}"))
    return attention.limit(glimpse, noise.crowded_frames).text


def _glimpse(scene: Scene, motion: str, zoom: Zoom | None) -> Glimpse:
    """Return what a look without errors shows of a scene. Its description has no place, so every look has it."""
    facts = scene.facts
    glimpse = Glimpse(scene.visual, facts.text, facts.colours, motion)
    if zoom is not None and zoom.region:
        lines, colours = lines_in(_titles(facts), zoom.region), colours_in(facts.colours, zoom.region)
        glimpse = glimpse._replace(lines=(*_labels(facts), *lines), colours=colours)
    return glimpse


def _with_small_things(glimpse: Glimpse, scene: Scene, height_px: int, zoom: Zoom | None) -> Glimpse:
    """Return a glimpse with the small text and things of the scene that the look shows."""
    close = close_look(scene.facts, height_px, zoom)
    description = "; ".join(part for part in (scene.visual.rstrip(". "), *close.things) if part)
    return glimpse._replace(description=description, lines=(*glimpse.lines, *close.lines), unread=close.unread)


def _titles(facts: Facts) -> list[str]:
    """Return the lines that are drawn as titles."""
    labels = _labels(facts)
    return [line for line in facts.text if line not in labels]


def _labels(facts: Facts) -> list[str]:
    """Return the lines that stand on things."""
    labels = {thing.label for thing in facts.things}
    return [line for line in facts.text if line in labels]


def _motion(facts: Facts, times_s: Sequence[float]) -> str:
    """Return the movement that the frames of a scene show: none for one frame, a direction for close ones."""
    if len(times_s) < 2 or not facts.motion:
        return ""
    if facts.motion not in _DIRECTIONS:
        return facts.motion
    close = min(other - one for one, other in pairwise(times_s)) <= DIRECTION_GAP_S
    return f"something moves {facts.motion}" if close else "something moves"


def _with_noise(glimpse: Glimpse, noise: Noise, rng: random.Random) -> Glimpse:
    described = rng.random() >= noise.missed_description
    kept = [line for line in glimpse.lines if rng.random() >= noise.missed_text]
    return Glimpse(
        glimpse.description if described else "",
        [misread(line, rng) if rng.random() < noise.misread_text else line for line in kept],
        () if rng.random() < noise.missed_colour else glimpse.colours,
        "" if rng.random() < noise.missed_motion else glimpse.motion,
        [place for place in glimpse.unread if rng.random() >= noise.missed_text],
    )


def _gist(description: str) -> str:
    """Return the first clause of a description."""
    for mark in (";", ",", "."):
        description = description.partition(mark)[0]
    return description


def _sounds_of(timeline: Timeline, index: int, video: int, noise: Noise) -> Iterator[Evidence]:
    scene = timeline.video.scenes[index]
    if scene.caption:
        yield from _speech(timeline, index, video, noise)
    for n, sound in enumerate(scene.facts.sounds):
        if not noise.missed_sound or noise.at(timeline.source, index, "sound", n).random() >= noise.missed_sound:
            yield _statement(sound.kind, video, sound.start_s, sound.end_s)


def _speech(timeline: Timeline, index: int, video: int, noise: Noise) -> Iterator[Evidence]:
    scene = timeline.video.scenes[index]
    text, (start_s, end_s) = scene.caption, scene.spoken_s
    if noise.affects_audio:
        rng = noise.at(timeline.source, index, "speech")
        missed, garbled = rng.random() < noise.missed_speech, rng.random() < noise.garbled_speech
        text = "" if missed else " ".join(misheard(text.split(), noise.word_errors * garbled, rng))
        start_s = min(max(0.0, start_s + rng.gauss(0, noise.time_jitter_s)), end_s - _SHORTEST_S)
        end_s = max(min(timeline.video.duration_s, end_s + rng.gauss(0, noise.time_jitter_s)), start_s + _SHORTEST_S)
    if text:  # noise that loses words makes their times unknown
        yield _statement(spoken(text), video, start_s, end_s, scene.word_times_s)


def _statement(text: str, video: int, start_s: float, end_s: float, times_s: WordTimes = ()) -> Evidence:
    return Evidence(text=text, window=Window(video=video, start_s=start_s, end_s=end_s), word_times_s=times_s)
