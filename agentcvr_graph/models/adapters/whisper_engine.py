"""The Whisper model itself, by faster-whisper (CTranslate2), in int8 on the CPU and float16 on CUDA.

In: samples. Out: statements with times, and the language of each half minute. Without a voice, the model is not called.
Weights are loaded once. `whisper.py` imports this module in a worker process only.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from agentcvr_graph.errors import SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.adapters.whisper_words import ENGLISH, Spoken, joined, statements
from agentcvr_graph.models.clients.errors import one_line
from agentcvr_graph.models.offline.voices import voiced_parts
from agentcvr_graph.render import UNCLEAR_SPEECH

LEAST_LANGUAGE = 0.4
"""Probability of the likeliest language below which speech is unclear. Clear speech has 0.9 and more, babble 0.25."""
HALF_MINUTE_S = 28.0
"""Longest sound that is transcribed at once. Whisper takes 30 s; voice detection may add to a part."""
_FRAMES = 3000
"""Number of frames that the encoder takes: half a minute."""
logger = logging.getLogger(__name__)


class UnclearError(Exception):
    """Raised while transcribing when no language is likely."""


def transcribe(folder: Path, samples: Samples) -> list[Spoken]:
    """Return what is said in the samples, one item for each half minute with a voice.

    Raises:
        SetupError: as `load`.
    """
    stretches = half_minutes(voiced_parts(samples, longest_s=HALF_MINUTE_S))
    return [load(folder).spoken(samples, *stretch) for stretch in stretches]


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
        return Spoken(tuple(cue.later(start / SAMPLE_RATE_HZ) for cue in joined(cues)), self._language)

    def _segments(self, samples: Samples) -> Iterable[Any]:
        segments, _ = cast(Any, self).transcribe(
            samples,
            language=ENGLISH,  # `encode` recognises it; without this the model would encode everything twice
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
            return ENGLISH
        token, probability = model.detect_language(encoded)[0][0]
        if probability < LEAST_LANGUAGE:
            raise UnclearError
        return str(token)[2:-2]  # from `<|en|>`


@functools.cache
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
