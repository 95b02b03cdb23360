"""Clear English speech as words with times, recognised by pocketsphinx with the model that its wheel carries."""

# pocketsphinx ships no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from agentcvr_graph.models.base import SAMPLE_RATE_HZ, Cue, Perceived, Samples, Sound
from agentcvr_graph.types import Evidence, Window

PAUSE_S = 0.3
"""A pause of this length ends an utterance."""
QUIET_RMS = 0.003
"""Below this loudness (full scale is 1) there is nothing to recognise."""
_FRAME_S = 0.01
_BLOCK = SAMPLE_RATE_HZ // 4
"""The recogniser holds the interpreter's lock while it works, so it is fed a quarter of a second at a time."""
_FILLER = re.compile(r"^[<\[+].*")


class Recogniser:
    """An `AudioModel` of words only."""

    name = "pocketsphinx-5"

    def __init__(self) -> None:
        self._decoder: Any = None
        self._lock = threading.Lock()

    async def hear(self, sound: Sound, focus: str) -> Perceived:
        """One statement an utterance, in order of time."""
        words = await asyncio.to_thread(self.words, sound.samples)
        return Perceived(evidence=tuple(utterances(words, sound.window)))

    def words(self, samples: Samples) -> list[Cue]:
        """Words with their times from the start of the samples."""
        if samples.size < _BLOCK or float(np.sqrt(np.mean(samples**2))) < QUIET_RMS:
            return []
        loudest = float(np.abs(samples).max())
        pcm = (samples / max(loudest, 1e-6) * 0.9 * 32767).astype(np.int16)
        with self._lock:
            decoder = self._ready()
            decoder.start_utt()
            for first in range(0, len(pcm), _BLOCK):
                decoder.process_raw(pcm[first : first + _BLOCK].tobytes())
            decoder.end_utt()
            segments = list(decoder.seg() or ()) if decoder.hyp() else []
        return [
            Cue(s.start_frame * _FRAME_S, (s.end_frame + 1) * _FRAME_S, re.sub(r"\(\d+\)$", "", s.word))
            for s in segments
            if not _FILLER.match(s.word)
        ]

    def _ready(self) -> Any:
        if self._decoder is None:
            from pocketsphinx import Decoder

            self._decoder = Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL")
        return self._decoder


def utterances(words: list[Cue], window: Window) -> Iterator[Evidence]:
    """Words joined up to the next pause, at their times in the video."""
    said: list[Cue] = []
    for word in words:
        if said and word.start_s - said[-1].end_s > PAUSE_S:
            yield _utterance(said, window)
            said = []
        said.append(word)
    if said:
        yield _utterance(said, window)


def _utterance(said: list[Cue], window: Window) -> Evidence:
    text = " ".join(word.text for word in said)
    start_s = window.start_s + said[0].start_s
    end_s = min(window.end_s, window.start_s + said[-1].end_s)
    return Evidence(text=f'"{text}"', window=Window(video=window.video, start_s=start_s, end_s=end_s))
