"""An audio model in this process: Whisper by faster-whisper (CTranslate2), in int8 on the CPU and float16 on CUDA.

In: sound. Out: a statement for each sentence, with the times of its first and last word. Without a voice, the model
is not called. Where it is unsure of the language, or of its words by Whisper's own limits, the statement says that
speech is unclear: Whisper writes fluent sentences about babble. Other languages than English are named in a note.

Weights are loaded once, at the first call. One worker thread loads and transcribes; the computation releases the
interpreter's lock, so the event loop runs on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from agentcvr_graph.errors import SetupError
from agentcvr_graph.media.languages import language_name
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.clients.errors import as_infrastructure_error, one_line
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.offline.voices import voiced_parts
from agentcvr_graph.render import UNCLEAR_SPEECH, spoken
from agentcvr_graph.types import Cost, Evidence, Window

LEAST_LANGUAGE = 0.4
"""Probability of the likeliest language below which speech is unclear. Clear speech has 0.9 and more, babble 0.25."""
LEAST_WORD = 0.6
"""Mean probability of a segment's words below which it is unclear. Clear speech has 0.9, speech that is played
backwards 0.3 to 0.5."""
LEAST_LOG_PROB = -1.0
"""Whisper's own limit: below this mean log probability of its words, a segment is wrong ..."""
MOST_COMPRESSION = 2.4
"""... and above this ratio of compression it repeats itself."""
PAUSE_S = 1.0
"""A pause of this length ends a statement."""
_ENDS = (".", "?", "!", "\u3002", "\uff1f", "\uff01")
_ENGLISH = "en"
HALF_MINUTE_S = 28.0
"""Longest sound that is transcribed at once. Whisper takes 30 s; voice detection may add to a part."""
_FRAMES = 3000
"""Number of frames that the encoder takes: half a minute."""
logger = logging.getLogger(__name__)


class UnclearError(Exception):
    """Raised while transcribing when no language is likely."""


class WhisperTranscriber:
    """An `AudioModel` from a folder with weights.

    The first call raises `SetupError` if the model cannot be loaded.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._name = name
        self._model: Listener | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="whisper")

    @property
    def name(self) -> str:
        return self._name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Transcribe the sound.

        Raises:
            InfrastructureError: the model failed.
            SetupError: the model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        try:
            heard = await loop.run_in_executor(self._worker, self.transcribe, sound.samples)
        except Exception as error:
            raise as_infrastructure_error(error, self.name) from error
        evidence = [_evidence(cue, sound.window) for spoken in heard for cue in spoken.cues]
        languages = dict.fromkeys(spoken.language for spoken in heard if spoken.language not in ("", _ENGLISH))
        notes = tuple(f"speech in {language_name(code)}" for code in languages)
        return ModelOutput(focus_first(evidence, focus), notes, Cost(model_calls=len(heard)))

    def transcribe(self, samples: Samples) -> list[Spoken]:
        """Return what is said in the samples, one item for each half minute with a voice."""
        stretches = half_minutes(voiced_parts(samples, longest_s=HALF_MINUTE_S))
        if stretches and self._model is None:
            self._model = load(self._folder)
        return [self._model.spoken(samples, *stretch) for stretch in stretches] if self._model else []


@dataclass(frozen=True)
class Spoken:
    """The statements of at most half a minute, in seconds from the start of the samples, and their language."""

    cues: tuple[Cue, ...]
    language: str
    """Empty if no language is likely."""


class Listener(WhisperModel):
    """A Whisper model that recognises the language, and gives up where none is likely."""

    _language = ""

    def spoken(self, samples: Samples, start: int, end: int) -> Spoken:
        """Transcribe a part of the samples with a voice."""
        self._language = ""
        try:
            cues = [cue for segment in self._segments(samples[start:end]) for cue in statements(segment)]
        except UnclearError:
            cues = [Cue(0, (end - start) / SAMPLE_RATE_HZ, UNCLEAR_SPEECH)]
        shift_s = start / SAMPLE_RATE_HZ
        moved = (Cue(shift_s + cue.start_s, shift_s + cue.end_s, cue.text) for cue in joined(cues))
        return Spoken(tuple(moved), self._language)

    def _segments(self, samples: Samples) -> Iterable[Any]:
        segments, _ = cast(Any, self).transcribe(
            samples,
            language=_ENGLISH,  # `encode` recognises it; without this the model would encode everything twice
            multilingual=True,
            vad_filter=True,
            word_timestamps=True,
            temperature=0.0,  # higher ones turn babble into fluent sentences
            condition_on_previous_text=False,
        )
        return segments

    def encode(self, features: Any) -> Any:
        """Encode sound, and recognise the language of the first of a part.

        Raises:
            UnclearError: no language is likely.
        """
        encoded = cast(Any, super()).encode(features)
        if not self._language:
            self._language = self._likely_language(encoded)
        return encoded

    def try_out(self) -> None:
        """Compute something: libraries that are missing are noticed only then.

        Raises:
            RuntimeError: a library of the GPU is missing.
        """
        half_minute = np.zeros((cast(Any, self).model.n_mels, _FRAMES), dtype=np.float32)
        cast(Any, super()).encode(half_minute)

    def _likely_language(self, encoded: Any) -> str:
        model = cast(Any, self).model
        if not model.is_multilingual:
            return _ENGLISH
        token, probability = model.detect_language(encoded)[0][0]
        if probability < LEAST_LANGUAGE:
            raise UnclearError
        return str(token)[2:-2]  # from `<|en|>`


def load(folder: Path) -> Listener:
    """Load a model: on the GPU if there is one and its libraries are installed, else on the CPU.

    Raises:
        SetupError: the folder holds no model that this version can load.
    """
    try:
        return _on_gpu(str(folder)) or Listener(str(folder), device="cpu", compute_type="int8")
    except (RuntimeError, ValueError, OSError) as error:
        raise SetupError(
            f"The Whisper model in {folder} cannot be loaded: {one_line(str(error))}",
            fix="Give the folder of a Whisper model that was converted for CTranslate2 (faster-whisper).",
        ) from error


def _on_gpu(folder: str) -> Listener | None:
    """Return the model on the GPU; None without a GPU, or where it cannot compute."""
    if not cast(Any, ctranslate2).get_cuda_device_count():
        return None
    try:
        model = Listener(folder, device="cuda", compute_type="float16")
        model.try_out()
    except RuntimeError as error:
        logger.warning("Whisper runs on the CPU, because the GPU cannot be used: %s", one_line(str(error)))
        return None
    return model


def half_minutes(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join parts, each with its first and last sample, to stretches of at most half a minute."""
    stretches: list[tuple[int, int]] = []
    for start, end in parts:
        if stretches and end - stretches[-1][0] <= HALF_MINUTE_S * SAMPLE_RATE_HZ:
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((start, end))
    return stretches


def statements(segment: Any) -> Iterator[Cue]:
    """Yield the words of a segment, or that it is unclear."""
    if _is_unclear(segment):
        yield Cue(segment.start, segment.end, UNCLEAR_SPEECH)
    else:
        yield from (Cue(word.start, word.end, word.word) for word in segment.words)


def _is_unclear(segment: Any) -> bool:
    odd = segment.avg_logprob < LEAST_LOG_PROB or segment.compression_ratio > MOST_COMPRESSION
    words: Sequence[Any] = segment.words or ()
    return odd or not words or sum(word.probability for word in words) / len(words) < LEAST_WORD


def joined(cues: Sequence[Cue]) -> list[Cue]:
    """Join words to sentences, which end with a full stop or a pause, and neighbouring parts of unclear speech."""
    said: list[Cue] = []
    for cue in cues:
        last = said[-1] if said else None
        if last is None or cue.start_s - last.end_s > PAUSE_S or _is_apart(last.text, cue.text):
            said.append(cue)
        else:
            text = UNCLEAR_SPEECH if cue.text == UNCLEAR_SPEECH else last.text + cue.text
            said[-1] = Cue(last.start_s, cue.end_s, text)
    return said


def _is_apart(before: str, after: str) -> bool:
    if UNCLEAR_SPEECH in (before, after):
        return before != after
    return before.endswith(_ENDS)


def _evidence(cue: Cue, window: Window) -> Evidence:
    start_s = min(window.start_s + max(0.0, cue.start_s), window.end_s)
    end_s = min(max(window.start_s + cue.end_s, start_s), window.end_s)
    text = cue.text if cue.text == UNCLEAR_SPEECH else spoken(cue.text)
    return Evidence(text=text, window=Window(video=window.video, start_s=start_s, end_s=end_s))
