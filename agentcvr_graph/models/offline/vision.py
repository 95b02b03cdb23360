"""The offline vision model: shots, colours, motion and on-screen text, merged over time.

The input is frames, the output one statement for each stretch. A stretch is a run of neighbouring frames of one shot
that show the same text. Its window reaches half-way to the neighbouring frames, by the times for which they were
sampled, as in scripts: a key frame that stands for 8.0 s may be one of 7.9 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.base import ModelOutput, SampledFrames
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.offline.colours import dominant_colours
from agentcvr_graph.models.offline.motion import Change, change_between, sketch_of
from agentcvr_graph.models.offline.on_screen_text import TextReader
from agentcvr_graph.models.offline.text_engine import Text
from agentcvr_graph.render import letters_of, picture_text
from agentcvr_graph.types import Evidence, Region, Window, Zoom
from agentcvr_graph.utils.cancellation import run_in_thread
from agentcvr_graph.views import Box, region_around


@dataclass
class Stretch:
    """Neighbouring frames of one shot with the same text."""

    frames: list[Frame]
    lines: tuple[str, ...]
    motions: list[str] = field(default_factory=list[str])
    unread: dict[Region, None] = field(default_factory=dict[Region, None])
    """Regions of the picture with text that cannot be read, in order; a set in order."""


class OfflineVision:
    """A `VisionModel` that uses hand-written image measurements and an OCR engine."""

    name = "offline-vision-4"

    def __init__(self, cache: DiskCache | None = None) -> None:
        self._reader = TextReader(cache)

    async def look(self, sampled: Sequence[SampledFrames], focus: str) -> ModelOutput:
        """Return one statement for each stretch, those that share words with the focus first."""
        evidence = await run_in_thread(lambda: [said for part in sampled for said in self._describe(part)])
        return ModelOutput(evidence=focus_first(evidence, focus))

    def _describe(self, sampled: SampledFrames) -> Iterator[Evidence]:
        stretches = self._stretches(sampled)
        for index, stretch in enumerate(stretches):
            before = stretches[index - 1].frames[-1] if index else None
            after = stretches[index + 1].frames[0] if index + 1 < len(stretches) else None
            window = _window_of(stretch, sampled.window, before, after)
            yield Evidence(text=describe(stretch), window=window)

    def _stretches(self, sampled: SampledFrames) -> list[Stretch]:
        texts = self._reader.read(sampled.frames, sampled.content_id, sampled.zoom)
        changes = [Change(cut=True, motion="")]
        changes += [change_between(one, other) for one, other in pairwise(map(sketch_of, sampled.frames))]
        stretches: list[Stretch] = []
        for frame, text, change in zip(sampled.frames, texts, changes, strict=True):
            if change.cut or not same_text(stretches[-1].lines, text.lines):
                stretches.append(Stretch([frame], text.lines))  # the change to it is no movement in it
            else:
                stretches[-1].frames.append(frame)
                stretches[-1].motions.append(change.motion)
            stretches[-1].unread |= dict.fromkeys(_places(text, frame, sampled.zoom))
        return stretches


def describe(stretch: Stretch) -> str:
    """Return a text such as `on-screen text "ADD SALT"; mostly red and white; something moves down`."""
    middle = stretch.frames[len(stretch.frames) // 2]
    moving = Counter(motion for motion in stretch.motions if motion != "still")
    motion = max(moving, key=lambda motion: (moving[motion], len(motion))) if moving else "".join(stretch.motions[:1])
    return picture_text("", stretch.lines, dominant_colours(middle.pixels), motion, tuple(stretch.unread))


def _places(text: Text, frame: Frame, zoom: Zoom | None) -> list[Region]:
    """Return the regions of the whole picture with text that cannot be read: the region that is shown, if it is one."""
    height, width = frame.pixels.shape[:2]
    boxes = [
        Box(left / width, top / height, right / width, bottom / height) for left, top, right, bottom in text.unread
    ]
    return [zoom.region if zoom and zoom.region else region_around(box) for box in boxes]


def same_text(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether texts are equal except for spaces, case and punctuation, where OCR varies between frames."""
    return list(map(letters_of, one)) == list(map(letters_of, other))


def _window_of(stretch: Stretch, whole: Window, before: Frame | None, after: Frame | None) -> Window:
    start_s = whole.start_s if before is None else _edge_s(before, stretch.frames[0])
    end_s = whole.end_s if after is None else _edge_s(stretch.frames[-1], after)
    # A key frame may be just outside the window that it was sampled for. The statement's window stays inside.
    start_s = min(max(start_s, whole.start_s), whole.end_s)
    return Window(video=whole.video, start_s=start_s, end_s=min(max(end_s, start_s), whole.end_s))


def _edge_s(before: Frame, after: Frame) -> float:
    """Return the time half-way between the sampled times of two frames, moved to lie between what they show."""
    return min(max((before.sampled_s + after.sampled_s) / 2, before.time_s), after.time_s)
