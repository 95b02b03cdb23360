"""Speech recognition for clear English: words with times, by pocketsphinx with the model in its wheel."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

import librosa
import numpy as np

from agentcvr_graph.media.sound import quietest_s
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.offline.signals import load_librosa
from agentcvr_graph.types import Evidence, Window
from agentcvr_graph.utils.cancellation import raise_if_cancelled, run_in_thread

PAUSE_S = 0.35
"""A pause of this length ends an utterance; each utterance is recognised by itself."""
LONGEST_UTTERANCE_S = 6.0
"""Longer utterances are split, because the recogniser holds the interpreter's lock while it works on one."""
MARGIN_S = 0.2
SILENCE_BELOW_PEAK_DB = 35
QUIET = 0.01
"""Below this peak (full scale is 1) there is nothing to recognise."""
_FRAME_S = 0.01
LONGEST_WORD_S = 1.2
"""No spoken word lasts longer. Longer words are music that the recogniser misheard, and are dropped."""
_FILLER = re.compile(r"^[<\[+].*")


class _Segment(Protocol):
    """A recognised word or filler; its first and last frame count from the start of the utterance."""

    word: str
    start_frame: int
    end_frame: int


class _Decoder(Protocol):
    """The methods of pocketsphinx's decoder that this module calls; pocketsphinx itself is untyped."""

    def reinit_feat(self) -> None: ...

    def start_utt(self) -> None: ...

    def process_raw(self, data: bytes, *, full_utt: bool) -> object: ...

    def end_utt(self) -> None: ...

    def hyp(self) -> object | None: ...

    def seg(self) -> Iterable[_Segment] | None: ...


class Recogniser:
    """An `AudioModel` that recognises words only."""

    name = "pocketsphinx-5"

    def __init__(self) -> None:
        self._decoder: _Decoder | None = None
        self._lock = threading.Lock()

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Return one statement for each utterance, in order of time."""
        words = await run_in_thread(self.words, sound.samples)
        return ModelOutput(evidence=tuple(utterances(words, sound.window)))

    def words(self, samples: Samples) -> list[Cue]:
        """Return the words with their times from the start of the samples."""
        return [word for start, end in voiced_parts(samples) for word in self._recognise(samples, start, end)]

    def _recognise(self, samples: Samples, start: int, end: int) -> Iterator[Cue]:
        part = samples[start:end]
        pcm = (part / float(np.abs(part).max()) * 0.9 * 32767).astype(np.int16)
        with self._lock:
            raise_if_cancelled()
            decoder = self._ready()
            decoder.reinit_feat()  # without this, the last utterance influences this one
            decoder.start_utt()
            decoder.process_raw(pcm.tobytes(), full_utt=True)
            decoder.end_utt()
            segments = list(decoder.seg() or ()) if decoder.hyp() else []
        shift_s = start / SAMPLE_RATE_HZ
        for s in segments:
            if not _FILLER.match(s.word) and (s.end_frame - s.start_frame) * _FRAME_S <= LONGEST_WORD_S:
                word = re.sub(r"\(\d+\)$", "", s.word)
                yield Cue(shift_s + s.start_frame * _FRAME_S, shift_s + (s.end_frame + 1) * _FRAME_S, word)

    def _ready(self) -> _Decoder:
        if self._decoder is None:
            from pocketsphinx import Decoder  # pyright: ignore[reportUnknownVariableType]

            # "batch" normalises within the utterance, so that the result does not depend on earlier utterances.
            self._decoder = cast(_Decoder, Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL", cmn="batch"))
        return self._decoder


def voiced_parts(samples: Samples) -> list[tuple[int, int]]:
    """Return first and last sample of each part that is loud enough for speech, with a margin; pauses separate them."""
    load_librosa()
    if not samples.size or float(np.abs(samples).max()) < QUIET:
        return []
    loud = librosa.effects.split(  # pyright: ignore[reportUnknownMemberType]
        samples, top_db=SILENCE_BELOW_PEAK_DB, frame_length=640, hop_length=160
    )
    parts: list[tuple[int, int]] = []
    for start, end in loud.tolist():
        if parts and start - parts[-1][1] < PAUSE_S * SAMPLE_RATE_HZ:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    margin = round(MARGIN_S * SAMPLE_RATE_HZ)
    wide = [(max(0, start - margin), min(len(samples), end + margin)) for start, end in parts]
    return [piece for start, end in wide for piece in _shortened(samples, start, end)]


def _shortened(samples: Samples, start: int, end: int) -> list[tuple[int, int]]:
    """Split a part into pieces of at most `LONGEST_UTTERANCE_S`, each time at the quietest point near the middle."""
    length = end - start
    if length <= LONGEST_UTTERANCE_S * SAMPLE_RATE_HZ:
        return [(start, end)]
    middle = samples[start + length // 3 : end - length // 3]
    cut = start + length // 3 + round(quietest_s(middle) * SAMPLE_RATE_HZ)
    return [*_shortened(samples, start, cut), *_shortened(samples, cut, end)]


def utterances(words: list[Cue], window: Window) -> Iterator[Evidence]:
    """Yield the words joined up to the next pause, with their times in the video."""
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
