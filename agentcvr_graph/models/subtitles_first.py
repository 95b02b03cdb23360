"""An audio model that prefers subtitles: where they cover the window, no other model is called.

In: the sound of a window with the subtitles that overlap it. Out: the subtitles as evidence, and what the wrapped model
transcribes in the parts that no subtitle covers. A pause between two lines of a conversation does not count; half a
minute without a line may be music or an untranslated scene, so the model is called for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentcvr_graph.media.types import SAMPLE_RATE_HZ
from agentcvr_graph.models.base import AudioModel, ModelOutput, Sound
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.render import spoken
from agentcvr_graph.types import Cost, Evidence, Window

UNCOVERED_S = 30.0
"""A part of at least this length without a subtitle counts as not covered, in seconds."""


class SubtitlesFirst:
    """An `AudioModel` that calls `model` only for sound without subtitles."""

    def __init__(self, model: AudioModel, *, uncovered_s: float = UNCOVERED_S) -> None:
        self._model = model
        self._uncovered_s = uncovered_s

    @property
    def name(self) -> str:
        return self._model.name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Return the subtitles of the window, completed by the model where they leave a gap.

        Raises:
            InfrastructureError: the model or its server failed.
        """
        if not sound.cues:
            return await self._model.hear(sound, focus)
        evidence, cost, notes = list(subtitle_evidence(sound)), Cost(), list[str]()
        for gap in uncovered(sound, self._uncovered_s):
            heard = await self._model.hear(part_of(sound, gap), focus)
            evidence += heard.evidence
            notes += heard.notes
            cost += heard.cost
        evidence.sort(key=lambda said: said.window.start_s if said.window else sound.window.start_s)
        return ModelOutput(evidence=focus_first(evidence, focus), notes=tuple(dict.fromkeys(notes)), cost=cost)


def subtitle_evidence(sound: Sound) -> Iterator[Evidence]:
    """Yield each subtitle as a statement with its own window."""
    for cue in sound.cues:
        window = Window(video=sound.window.video, start_s=cue.start_s, end_s=cue.end_s)
        yield Evidence(text=spoken(cue.text), window=window, word_times_s=cue.word_times_s)


def uncovered(sound: Sound, at_least_s: float) -> Iterator[Window]:
    """Yield the parts of the window, at least `at_least_s` long, that no subtitle overlaps."""
    covered_to_s = sound.window.start_s
    ends = [(cue.start_s, cue.end_s) for cue in sorted(sound.cues, key=lambda cue: cue.start_s)]
    for start_s, end_s in [*ends, (sound.window.end_s, sound.window.end_s)]:
        if start_s - covered_to_s >= at_least_s:
            yield Window(video=sound.window.video, start_s=covered_to_s, end_s=start_s)
        covered_to_s = max(covered_to_s, end_s)


def part_of(sound: Sound, window: Window) -> Sound:
    """Return the sound of a window that lies inside the window of `sound`, without subtitles."""
    first = round((window.start_s - sound.window.start_s) * SAMPLE_RATE_HZ)
    last = round((window.end_s - sound.window.start_s) * SAMPLE_RATE_HZ)
    return Sound(window=window, samples=sound.samples[first:last], cues=(), content_id=sound.content_id)
