"""An audio model of subtitles if there are any, else of recognised speech, and of sounds that are not speech."""

from __future__ import annotations

import asyncio

from agentcvr_graph.media.types import Cue
from agentcvr_graph.models.base import AudioModel, ModelOutput, Sound
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.offline.noises import noises
from agentcvr_graph.models.offline.signals import measured
from agentcvr_graph.models.offline.speech import Recogniser
from agentcvr_graph.models.offline.voices import UNCLEAR_S
from agentcvr_graph.models.subtitles_first import SubtitlesFirst
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.types import Evidence, Window
from agentcvr_graph.utils.worker_processes import run_in_own_worker

LONE_WORD_S = 0.5


class SpeechAndSounds:
    """An `AudioModel` that adds other sounds, by hand-written measurements, to what a recogniser returns."""

    def __init__(self, words: AudioModel, *, name: str) -> None:
        self._words = SubtitlesFirst(words)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Return speech and other sounds in order of time, those that share words with the focus first."""
        said, signal = await asyncio.gather(self._words.hear(sound, focus), run_in_own_worker(measured, sound.samples))
        likely = [statement for statement in said.evidence if not _is_short_and_unclear(statement)]
        speech = [_cue(statement, sound.window) for statement in likely if not _is_lone_word(statement)]
        heard = [_statement(cue, sound.window) for cue in await asyncio.to_thread(noises, signal, speech)]
        words = [e for e in likely if not (_is_lone_word(e) and any(_overlap(e, noise) for noise in heard))]
        both = sorted((*words, *heard), key=lambda e: e.window.start_s if e.window else 0.0)
        return ModelOutput(evidence=focus_first(both, focus), notes=said.notes, cost=said.cost)


class OfflineAudio(SpeechAndSounds):
    """The audio model that needs no weights."""

    def __init__(self) -> None:
        super().__init__(Recogniser(), name="offline-audio-3")


def _is_lone_word(statement: Evidence) -> bool:
    """Return whether a statement is one short word. If a noise overlaps it, the recogniser misheard the noise."""
    window = statement.window
    return window is not None and window.duration_s < LONE_WORD_S and len(statement.text.split()) == 1


def _is_short_and_unclear(statement: Evidence) -> bool:
    """Return whether a statement says only that a moment may be speech; a drum or a cough may also."""
    window = statement.window
    return statement.text == UNCLEAR_SPEECH and window is not None and window.duration_s < UNCLEAR_S


def _overlap(one: Evidence, other: Evidence) -> bool:
    return one.window is not None and other.window is not None and one.window.overlap_s(other.window) > 0


def _cue(statement: Evidence, window: Window) -> Cue:
    placed = statement.window or window
    return Cue(placed.start_s - window.start_s, placed.end_s - window.start_s, statement.text)


def _statement(cue: Cue, window: Window) -> Evidence:
    end_s = min(window.end_s, window.start_s + cue.end_s)
    return Evidence(text=cue.text, window=Window(video=window.video, start_s=window.start_s + cue.start_s, end_s=end_s))
