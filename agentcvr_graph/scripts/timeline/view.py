"""A script laid out for drawing: timelines of blocks with places, words and colours. Knows no HTML and no canvas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agentcvr_graph.answers import option_labels
from agentcvr_graph.models.offline.palette import PALETTE
from agentcvr_graph.render import picture_text
from agentcvr_graph.scripts.schema import Scene, Script, ScriptedVideo
from agentcvr_graph.types import Modality
from agentcvr_graph.utils.ticks import ticks

MOST_VIDEOS = 20
"""Videos that are drawn: of a larger library those with evidence and the first others."""
BlockType = Literal["scene", "gap", "speech", "sound"]


@dataclass(frozen=True)
class Block:
    """Something on the time axis."""

    type: BlockType
    start_s: float
    end_s: float
    text: str
    """Drawn as far as it fits into the block; the page shows all of it on demand."""
    swatches: tuple[str, ...] = ()
    """Colours of the scene, as #rrggbb."""
    proves: bool = False
    """Whether it is among the evidence."""
    room_end_s: float = 0.0
    """Where the next block of the row begins: text may run until there."""

    def percent(self, duration_s: float) -> tuple[float, float]:
        """Left edge and width as percentages of the timeline."""
        return 100 * self.start_s / duration_s, 100 * (self.end_s - self.start_s) / duration_s


@dataclass(frozen=True)
class VideoTimeline:
    """The timeline of one video."""

    number: int
    title: str
    duration_s: float
    ticks: Sequence[tuple[float, str]]
    seen: Sequence[Block]
    heard: Sequence[Block]


@dataclass(frozen=True)
class ScriptView:
    """Everything that is drawn."""

    script: Script
    options: Sequence[tuple[str, str, bool]]
    """Label, text, and whether the option is right."""
    key: str
    made: str
    """How the script was made, and how many of its videos are not drawn."""
    timelines: Sequence[VideoTimeline]


def view_of(script: Script) -> ScriptView:
    """Return the layout of a script."""
    right = set(script.key) if isinstance(script.key, list) else {script.key}
    labels = option_labels(script.kind, script.options)
    options = [(label, option, label in right) for label, option in zip(labels, script.options, strict=False)]
    numbers = script.excerpt(MOST_VIDEOS)
    made = "; ".join([_made(script), *_left_out(script, numbers)])
    return ScriptView(script, options, _key(script), made, [_timeline(script, n) for n in numbers])


def _left_out(script: Script, shown: Sequence[int]) -> list[str]:
    more = len(script.videos) - len(shown)
    return [f"{more} of {len(script.videos)} videos are not drawn; none of them holds evidence"] if more else []


def _timeline(script: Script, number: int) -> VideoTimeline:
    video = script.videos[number - 1]
    seen = [*_gaps(video), *(_scene(script, number, scene) for scene in video.scenes)] if video.picture else []
    heard = sorted((b for s in video.scenes for b in _sounds(script, number, s)), key=lambda block: block.start_s)
    return VideoTimeline(
        number=number,
        title=video.title or f"video {number}",
        duration_s=video.duration_s,
        ticks=ticks(video.duration_s),
        seen=_with_room(sorted(seen, key=lambda block: block.start_s), video.duration_s),
        heard=_with_room(heard, video.duration_s),
    )


def _with_room(blocks: Sequence[Block], duration_s: float) -> list[Block]:
    starts_s = [*(block.start_s for block in blocks[1:]), duration_s]
    return (
        [replace(block, room_end_s=max(block.end_s, s)) for block, s in zip(blocks, starts_s, strict=True)]
        if blocks
        else []
    )


def _gaps(video: ScriptedVideo) -> Iterator[Block]:
    at_s = 0.0
    for scene in video.scenes:
        if scene.start_s - at_s > 0.05:
            yield Block("gap", at_s, scene.start_s, "no scene")
        at_s = max(at_s, scene.end_s)
    if video.duration_s - at_s > 0.05:
        yield Block("gap", at_s, video.duration_s, "no scene")


def _scene(script: Script, number: int, scene: Scene) -> Block:
    facts = scene.facts
    moving = f"something moves {facts.motion}" if facts.motion not in ("", "still") else facts.motion
    lines = (*facts.text, *(sign.text for sign in facts.signs))
    text = picture_text(scene.visual, lines, (), moving)  # the colours are shown as such
    swatches = tuple("#{:02x}{:02x}{:02x}".format(*PALETTE[name]) for name in facts.colours if name in PALETTE)
    return Block("scene", scene.start_s, scene.end_s, text, swatches, _proves(script, number, scene, "visual"))


def _sounds(script: Script, number: int, scene: Scene) -> Iterator[Block]:
    if scene.caption:
        start_s, end_s = scene.spoken_s
        yield Block("speech", start_s, end_s, scene.caption, (), _proves(script, number, scene, "audio"))
    for sound in scene.facts.sounds:
        yield Block("sound", sound.start_s, sound.end_s, sound.kind)


def _proves(script: Script, number: int, scene: Scene, modality: Modality) -> bool:
    """Return whether most of the scene, or of its caption, is a window of the evidence."""
    start_s, end_s = scene.spoken_s if modality == "audio" else (scene.start_s, scene.end_s)
    return any(
        window.video == number
        and window.modality == modality
        and min(window.end_s, end_s) - max(window.start_s, start_s) > 0.5 * (end_s - start_s)
        for window in script.evidence
    )


def _key(script: Script) -> str:
    if isinstance(script.key, list):
        return ", ".join(script.key)
    if isinstance(script.key, tuple):
        return f"{script.key[0]:g} to {script.key[1]:g} s"
    return str(script.key)


def _made(script: Script) -> str:
    origin = script.origin
    parts = [origin.generator, f"seed {origin.seed}" if origin.seed is not None else "", origin.model]
    parts += [f"{name} {value:g}" for name, value in origin.difficulty.items()]
    return ", ".join(part for part in parts if part)
