"""The offline ears: subtitles where there are any, else recognised speech, and the sounds that are not speech."""

from __future__ import annotations

import asyncio

from agentcvr_graph.models.base import Cue, Perceived, Sound
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.offline.noises import noises
from agentcvr_graph.models.offline.speech import Recogniser
from agentcvr_graph.models.subtitles_first import SubtitlesFirst
from agentcvr_graph.types import Evidence, Window


class OfflineAudio:
    """An `AudioModel` of subtitles, a small recogniser and hand-written measurements."""

    name = "offline-audio-1"

    def __init__(self) -> None:
        self._words = SubtitlesFirst(Recogniser())

    async def hear(self, sound: Sound, focus: str) -> Perceived:
        """Words and other sounds in order of time, those that share words with the focus first."""
        said = await self._words.hear(sound, focus)
        spoken = [
            Cue(e.window.start_s - sound.window.start_s, e.window.end_s - sound.window.start_s, e.text)
            for e in said.evidence
            if e.window
        ]
        heard = [_statement(cue, sound.window) for cue in await asyncio.to_thread(noises, sound.samples, spoken)]
        both = sorted((*said.evidence, *heard), key=lambda e: e.window.start_s if e.window else 0.0)
        return Perceived(evidence=focus_first(both, focus), notes=said.notes, cost=said.cost)


def _statement(cue: Cue, window: Window) -> Evidence:
    end_s = min(window.end_s, window.start_s + cue.end_s)
    return Evidence(text=cue.text, window=Window(video=window.video, start_s=window.start_s + cue.start_s, end_s=end_s))
