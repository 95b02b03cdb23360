"""From beats to timelines: what happens in which order becomes scenes with times and colours.

A beat is what one scene shows and says. A `VideoDraft` gives each beat a start and a length, and records the windows of
the beats that prove the answer. Speech gets the time that a calm voice needs, so that a rendered video can say it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentcvr_graph.scripts.generators.procedural.base import Difficulty
from agentcvr_graph.scripts.schema import Facts, Motion, Scene, ScriptedVideo, Sounded, Thing
from agentcvr_graph.types import Citation, Modality

WORDS_PER_S = 3.3
"""A calm voice with short words, as measured on the voices of the rendered videos."""
LEAD_S = 0.4
"""Silence before the first and after the last word of a scene."""
WALLS = ("red", "orange", "yellow", "green", "turquoise", "light blue", "blue", "purple", "pink", "brown")
FLOORS = ("beige", "light grey", "white", "dark grey")
MOTIONS: tuple[Motion, ...] = ("", "still", "to the right", "to the left", "down")


@dataclass(frozen=True)
class Beat:
    """One thing that happens: a scene before it has times."""

    visual: str = ""
    text: tuple[str, ...] = ()
    caption: str = ""
    things: tuple[Thing, ...] = ()
    motion: Motion | None = None
    """None for a random one."""
    knock: bool = False
    proof: tuple[Modality, ...] = ()
    """The modalities by which this scene helps to prove the answer; empty for a scene that does not matter."""
    short: bool = False
    """Whether it lasts as long as a scene that matters, though it may not."""
    mean_s: float | None = None
    """Its mean length in seconds; None for that of the difficulty."""


@dataclass
class VideoDraft:
    """A timeline that grows beat by beat."""

    rng: random.Random
    difficulty: Difficulty
    number: int
    """The video's number in the question."""
    wall: str
    floor: str
    scenes: list[Scene] = field(default_factory=list[Scene])
    proofs: list[Citation] = field(default_factory=list[Citation])

    @property
    def end_s(self) -> float:
        return self.scenes[-1].end_s if self.scenes else 0.0

    def add(self, beat: Beat) -> Scene:
        """Append a beat as a scene, and record its evidence."""
        start_s = self.end_s
        speech_s = len(beat.caption.split()) / WORDS_PER_S
        usual_s = self.difficulty.decisive_s if beat.proof or beat.short else self.difficulty.scene_s
        length_s = (usual_s if beat.mean_s is None else beat.mean_s) * self.rng.uniform(0.75, 1.3)
        if beat.caption:
            length_s = max(length_s, speech_s + 2 * LEAD_S)
        end_s = round(start_s + length_s, 1)
        begin_s = round(start_s + LEAD_S, 2)
        scene = Scene(
            start_s=start_s,
            end_s=end_s,
            visual=beat.visual,
            caption=beat.caption,
            speech_s=(begin_s, round(min(end_s, begin_s + speech_s), 2)) if beat.caption else None,
            facts=Facts(
                text=beat.text,
                colours=(self.wall, self.floor),
                things=beat.things,
                motion=self.rng.choice(MOTIONS) if beat.motion is None else beat.motion,
                sounds=_knock_at(end_s) if beat.knock else (),
            ),
        )
        self.scenes.append(scene)
        self.proofs += _proofs(self.number, scene, beat.proof)
        return scene

    def video(self, title: str = "") -> ScriptedVideo:
        """Return the finished timeline."""
        return ScriptedVideo(duration_s=self.end_s, scenes=tuple(self.scenes), title=title)


def start_drafts(rng: random.Random, difficulty: Difficulty, count: int) -> list[VideoDraft]:
    """Return one empty timeline a video, each with a wall colour of its own."""
    walls = rng.sample(WALLS, count)
    return [VideoDraft(rng, difficulty, n, wall, rng.choice(FLOORS)) for n, wall in enumerate(walls, start=1)]


def also_heard(proof: tuple[Modality, ...]) -> tuple[Modality, ...]:
    """Return the proof of a beat in which something decisive is also said."""
    return (*proof, "audio")


def mixed_in(rng: random.Random, beats: Sequence[Beat], others: Sequence[Beat]) -> list[Beat]:
    """Return the beats in their order, with the others, in theirs, at random places between them."""
    slots = [True] * len(beats) + [False] * len(others)
    rng.shuffle(slots)
    first, second = iter(beats), iter(others)
    return [next(first) if slot else next(second) for slot in slots]


def _proofs(number: int, scene: Scene, proof: Sequence[Modality]) -> list[Citation]:
    windows = {"visual": (scene.start_s, scene.end_s), "audio": scene.spoken_s}
    return [
        Citation(video=number, start_s=start_s, end_s=end_s, modality=modality)
        for modality in proof
        for start_s, end_s in [windows[modality]]
    ]


def _knock_at(end_s: float) -> tuple[Sounded, ...]:
    """Return a knock at the very end of a scene, after any speech."""
    return (Sounded(kind="impact", start_s=round(end_s - 0.4, 2), end_s=end_s),)
