"""The limits of images that a vision model has shown, and how a look is split to keep within them.

In: a look, and the errors of calls that were refused. Out: the same look in several calls, each with its own part of
the window, and one output of all of them. The module knows no prompt and no client.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agentcvr_graph.models.base import ModelOutput, SampledFrames
from agentcvr_graph.models.clients.refusals import fewer_images, wants_smaller_images
from agentcvr_graph.types import Cost

FIRST_PX, LEAST_PX = 256, 64
"""Long side of an image in pixels, after a refusal of images of the usual size, and the least that is tried."""
LARGE_PX = 2 * FIRST_PX
"""Larger images, those of a look at high detail, are halved after a refusal."""


@dataclass
class ImageLimits:
    """What one model takes, as far as it is known."""

    images: int | None = None
    """Most images in a call; None while no call was refused."""
    px: int | None = None
    """Long side of an image in pixels; None for the frames as they are."""

    def lower(self, error: BaseException, sent: int, sent_px: int = 0) -> bool:
        """Lower the limit that an error names; return whether it names one that can be lower.

        Args:
            sent: number of images in the call.
            sent_px: long side of its largest image, before the limit.
        """
        if wants_smaller_images(error) and (self.px is None or self.px // 2 >= LEAST_PX):
            self.px = self._smaller(sent_px)
            return True
        if (fewer := fewer_images(error, sent)) is None:
            return False
        self.images = fewer
        return True

    def _smaller(self, sent_px: int) -> int:
        if self.px is not None:
            return self.px // 2
        return sent_px // 2 if sent_px > LARGE_PX else FIRST_PX

    def reduced(self, sampled: Sequence[SampledFrames]) -> tuple[str, ...]:
        """Return a note if frames of a close look were sent smaller than they are: the model takes no larger ones."""
        lost = self.px is not None and longest_side([part for part in sampled if part.zoom]) > self.px
        return (
            (f"the vision model takes pictures of at most {self.px} pixels a side, so detail was lost",) if lost else ()
        )


def longest_side(sampled: Sequence[SampledFrames]) -> int:
    """Return the long side of the largest frame in pixels; 0 if there is none."""
    return max((max(frame.pixels.shape[:2]) for part in sampled for frame in part.frames), default=0)


def with_notes(output: ModelOutput, notes: Sequence[str]) -> ModelOutput:
    """Return an output with more notes."""
    return replace(output, notes=(*output.notes, *notes)) if notes else output


def in_calls(sampled: Sequence[SampledFrames], most: int | None) -> list[list[SampledFrames]]:
    """Return the parts of a look, one for each call, with at most `most` frames each."""
    total = sum(len(part.frames) for part in sampled)
    if most is None or total <= most:
        return [list(sampled)]
    return [[piece] for part in sampled for piece in _pieces(part, most)]


def _pieces(part: SampledFrames, most: int) -> Iterator[SampledFrames]:
    """Yield a window in pieces that meet halfway between their frames."""
    frames, window = part.frames, part.window
    count = math.ceil(len(frames) / most)
    ends = [round(len(frames) * number / count) for number in range(count + 1)]
    start_s = window.start_s
    for first, end in itertools.pairwise(ends):
        middle_s = (frames[end - 1].time_s + frames[end].time_s) / 2 if end < len(frames) else window.end_s
        end_s = max(start_s, min(middle_s, window.end_s))
        shown = window.model_copy(update={"start_s": start_s, "end_s": end_s})
        yield replace(part, window=shown, frames=frames[first:end])
        start_s = end_s


def merged(outputs: Sequence[ModelOutput]) -> ModelOutput:
    """Return the outputs of the calls of one look as one."""
    return ModelOutput(
        evidence=tuple(said for output in outputs for said in output.evidence),
        notes=tuple(dict.fromkeys(note for output in outputs for note in output.notes)),
        cost=sum((output.cost for output in outputs), Cost()),
    )
