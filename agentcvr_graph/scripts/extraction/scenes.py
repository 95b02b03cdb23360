"""From statements about a real video to the scenes of a script. Pure functions.

What is shown divides the video into scenes; what is said is put into them. A scene has one caption, so a pause inside a
scene divides it. A sentence that runs across a cut is divided there, word by word, at the times of its words; where a
model does not state them, they are counted evenly over the sentence, as everywhere (`perception/clipping.py`).

A statement in the form of `render.picture_text` becomes facts (lines, colours, movement); every other one stays as it
is in `visual`. What a script has no place for is counted in `Lost`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple, cast, get_args

from agentcvr_graph.perception.clipping import word_middles_s
from agentcvr_graph.render import PLAIN_PICTURE, UNCLEAR_SPEECH, letters_of, read_picture
from agentcvr_graph.scripts.schema import Facts, Motion, Noise, Scene, Sounded
from agentcvr_graph.types import Evidence, WordTimes, later, within

PAUSE_S = 1.0
"""A shorter pause does not divide a caption."""
SHORTEST_S = 0.3
"""Boundaries closer than this are one."""
BRIEFEST_S = 0.01
"""Shorter speech and sounds are left out: times are kept to the millisecond."""
STRAY_S = 0.5
"""So much of a sentence, and less, may lie beyond a cut without being divided there."""
MOVES = "something moves "
_NOISES = frozenset(get_args(Noise))
_MOTIONS = frozenset(get_args(Motion))
_SILENCE = "silence"


class Said(NamedTuple):
    """Words and their time."""

    start_s: float
    end_s: float
    words: tuple[str, ...]
    times_s: WordTimes = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def part(self, numbers: Sequence[int], start_s: float, end_s: float) -> Said:
        """Return some of the words, said within a part of the time."""
        times_s = [self.times_s[k] for k in numbers] if len(self.times_s) == len(self.words) else []
        return Said(start_s, end_s, tuple(self.words[k] for k in numbers), within(times_s, start_s, end_s))


@dataclass(frozen=True)
class Shown:
    """What the picture shows for a time."""

    start_s: float
    end_s: float
    descriptions: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    motion: str = ""

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass
class Lost:
    """What was stated and has no place in a script."""

    unclear_s: float = 0.0
    """Seconds of speech whose words are unclear."""
    sounds: list[str] = field(default_factory=list[str])
    """Names of sounds that the schema does not know."""

    def notes(self) -> tuple[str, ...]:
        """Return one line for each kind."""
        unclear = (f"{self.unclear_s:.1f} s of unclear speech have no words",) if self.unclear_s else ()
        return (*unclear, *(f"a sound has no place in scripts: {name}" for name in dict.fromkeys(self.sounds)))


def scenes_of(
    duration_s: float, seen: Iterable[Evidence], heard: Iterable[Evidence], lost: Lost | None = None
) -> tuple[Scene, ...]:
    """Return the scenes of a video, in order, which do not overlap.

    Args:
        seen, heard: statements with their windows; others are left out.
        lost: gets what has no place in a script.

    >>> from agentcvr_graph.types import Window
    >>> sign = Evidence(text='on-screen text "SALT"; mostly red; still', window=Window(video=1, start_s=0, end_s=4))
    >>> words = Evidence(text='"add salt"', window=Window(video=1, start_s=1, end_s=2))
    >>> [scene] = scenes_of(4.0, [sign], [words])
    >>> scene.facts.text, scene.facts.colours, scene.facts.motion, scene.caption, scene.speech_s
    (('SALT',), ('red',), 'still', 'add salt', (1.0, 2.0))
    """
    said, sounds = _heard(heard, duration_s, lost or Lost())
    shown = _divided(_shown(seen, duration_s), said)
    return tuple(_scene(one, words, sounds) for one, words in _spoken(shown, said))


def _shown(seen: Iterable[Evidence], duration_s: float) -> list[Shown]:
    """Return what is shown from moment to moment, without gaps; equal neighbours are one."""
    stated = [
        (max(0.0, one.window.start_s), min(duration_s, one.window.end_s), one.text)
        for one in seen
        if one.window is not None and one.text.strip() and one.text != PLAIN_PICTURE
    ]
    edges = _edges([time_s for start_s, end_s, _ in stated for time_s in (start_s, end_s)], duration_s)
    shown: list[Shown] = []
    for start_s, end_s in pairwise(edges):
        one = _picture(start_s, end_s, _texts_of(start_s, end_s, stated))
        if shown and _same_picture(shown[-1], one):
            longer = max(shown[-1], one, key=lambda part: part.duration_s)
            motion = longer.motion or shown[-1].motion or one.motion
            shown[-1] = replace(longer, start_s=shown[-1].start_s, end_s=end_s, motion=motion)
        else:
            shown.append(one)
    return shown


def _texts_of(start_s: float, end_s: float, stated: Sequence[tuple[float, float, str]]) -> list[str]:
    """Return the statements that hold in the middle of a stretch, or anywhere in one that is as short as a frame.

    The window of a single frame, rounded to tenths of a second, may have no duration.
    """
    middle_s = (start_s + end_s) / 2
    texts = [text for first_s, last_s, text in stated if first_s <= middle_s < last_s]
    if texts or end_s - start_s > SHORTEST_S:
        return texts
    return [text for first_s, last_s, text in stated if start_s <= first_s <= last_s <= end_s]


def _edges(times_s: Iterable[float], duration_s: float) -> list[float]:
    """Return the boundaries with the start and the end of the video; of those that are close together, the first."""
    edges = [0.0]
    for time_s in sorted(times_s):
        if time_s - edges[-1] >= SHORTEST_S and duration_s - time_s >= SHORTEST_S:
            edges.append(time_s)
    return [*edges, duration_s]


def _picture(start_s: float, end_s: float, texts: Sequence[str]) -> Shown:
    """Return what several statements say of the same moments."""
    read = [read_picture(text) for text in texts]
    motions = [motion for *_, motion in read if motion]
    moving = [motion for motion in motions if motion != "still"]
    return Shown(
        start_s,
        end_s,
        tuple(dict.fromkeys(description for description, *_ in read if description)),
        tuple(dict.fromkeys(line for _, lines, _, _ in read for line in lines if line.strip())),
        next((tuple(colours) for _, _, colours, _ in read if colours), ()),
        max(moving, key=len) if moving else "".join(motions[:1]),
    )


def _same_picture(one: Shown, other: Shown) -> bool:
    """Return whether two neighbours show the same, but for which of the colours is counted and slips of reading."""
    unknown = not one.motion or not other.motion  # a single frame shows no movement
    texts = one.descriptions == other.descriptions and (unknown or one.motion == other.motion)
    lines = list(map(letters_of, one.lines)) == list(map(letters_of, other.lines))
    return texts and lines and one.colours[:1] == other.colours[:1]


def _heard(heard: Iterable[Evidence], duration_s: float, lost: Lost) -> tuple[list[Said], list[Sounded]]:
    """Return speech without overlaps, and sounds, both in order of time."""
    said: list[Said] = []
    sounds: list[Sounded] = []
    for one in sorted(heard, key=lambda one: one.window.start_s if one.window else 0.0):
        if one.window is None:
            continue
        start_s, end_s = max(0.0, one.window.start_s), min(duration_s, one.window.end_s)
        if end_s - start_s < BRIEFEST_S:
            continue
        if one.text in _NOISES:
            sounds.append(Sounded(kind=cast(Noise, one.text), start_s=start_s, end_s=end_s))
        elif one.text == UNCLEAR_SPEECH:
            lost.unclear_s += end_s - start_s
        elif one.text.startswith('"'):
            start_s = max(start_s, said[-1].end_s if said else 0.0)
            if (words := one.text.strip('"').split()) and end_s - start_s >= BRIEFEST_S:
                said.append(Said(start_s, end_s, tuple(words), one.word_times_s))
        elif one.text != _SILENCE:
            lost.sounds.append(one.text)
    return said, sounds


def _divided(shown: Sequence[Shown], said: Sequence[Said]) -> list[Shown]:
    """Return the pictures divided in the pauses between two sentences of one scene."""
    pauses_s = [(one.end_s + other.start_s) / 2 for one, other in pairwise(said) if _is_apart(one, other)]
    divided: list[Shown] = []
    for one in shown:
        inside = [time_s for time_s in pauses_s if one.start_s + SHORTEST_S <= time_s <= one.end_s - SHORTEST_S]
        inside = [time_s for time_s in inside if _both_sides(one, time_s, said)]
        edges = [one.start_s, *inside, one.end_s]
        divided += [replace(one, start_s=start_s, end_s=end_s) for start_s, end_s in pairwise(edges)]
    return divided


def _is_apart(one: Said, other: Said) -> bool:
    return other.start_s - one.end_s >= PAUSE_S


def _both_sides(shown: Shown, time_s: float, said: Sequence[Said]) -> bool:
    """Return whether there is speech of a scene before and after a time."""
    inside = [one for one in said if one.end_s > shown.start_s + STRAY_S and one.start_s < shown.end_s - STRAY_S]
    return any(one.end_s <= time_s for one in inside) and any(one.start_s >= time_s for one in inside)


def _spoken(shown: Sequence[Shown], said: Sequence[Said]) -> Iterator[tuple[Shown, list[Said]]]:
    """Yield each picture with the words that are said in its time."""
    pieces: list[list[Said]] = [[] for _ in shown]
    for sentence in said:
        for n, piece in _pieces(sentence, shown):
            pieces[n].append(piece)
    yield from zip(shown, pieces, strict=True)


def _pieces(sentence: Said, shown: Sequence[Shown]) -> Iterator[tuple[int, Said]]:
    """Yield the parts of a sentence with the number of the picture in whose time they lie."""
    times = [(n, max(one.start_s, sentence.start_s), min(one.end_s, sentence.end_s)) for n, one in enumerate(shown)]
    times = [(n, start_s, end_s) for n, start_s, end_s in times if end_s > start_s]
    kept = [time for time in times if time[2] - time[1] > STRAY_S] or [max(times, key=lambda time: time[2] - time[1])]
    words: dict[int, list[int]] = {}
    for k, middle_s in enumerate(word_middles_s(len(sentence.words), *sentence[:2], sentence.times_s)):
        nearest = min(kept, key=lambda time: max(time[1] - middle_s, middle_s - time[2], 0.0))
        words.setdefault(nearest[0], []).append(k)
    for n, start_s, end_s in kept:
        if n in words:
            yield n, sentence.part(words[n], start_s, end_s)


def _scene(shown: Shown, said: Sequence[Said], sounds: Sequence[Sounded]) -> Scene:
    """Return a scene. A sound that lasts longer than it is cut at its edges."""
    cut = [(one, max(one.start_s, shown.start_s), min(one.end_s, shown.end_s)) for one in sounds]
    inside = [
        Sounded(kind=one.kind, start_s=round(start_s, 3), end_s=round(end_s, 3))
        for one, start_s, end_s in cut
        if end_s - start_s >= BRIEFEST_S
    ]
    motion = shown.motion.removeprefix(MOVES)
    facts = Facts(
        text=shown.lines,
        colours=shown.colours,
        motion=cast(Motion, motion) if motion in _MOTIONS else "",
        sounds=tuple(inside),
    )
    return Scene(
        start_s=round(shown.start_s, 3),
        end_s=round(shown.end_s, 3),
        visual="; ".join(shown.descriptions),
        caption=" ".join(one.text for one in said),
        speech_s=(round(said[0].start_s, 3), round(said[-1].end_s, 3)) if said else None,
        word_times_s=_word_times(said),
        facts=facts,
    )


def _word_times(said: Sequence[Said]) -> WordTimes:
    """Return the times of all words of a scene; none if those of a sentence are not known."""
    return later(tuple(time for one in said for time in one.times_s), 0.0) if all(one.times_s for one in said) else ()
