"""An audio model in this process: a Whisper-class model of the `transformers` library.

In: sound. Out: what is said, with the times of each word, or of each segment where the model's generation config names
no `alignment_heads`: word times come from the attention of these heads. The library's long-form decoding handles sound
that is longer than the model's 30 seconds. Weights are loaded once, at the first call. One worker thread loads and
transcribes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import torch
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, pipeline

from agentcvr_graph.errors import SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.adapters.transcripts import read_transcript
from agentcvr_graph.models.adapters.whisper_words import joined
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.clients.errors import as_infrastructure_error, one_line
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.types import Cost


class TransformersTranscriber:
    """An `AudioModel` from a folder or a repository.

    The first call raises `SetupError` if the model cannot be loaded.
    """

    def __init__(self, source: str, *, name: str = "", max_new_tokens: int | None = None) -> None:
        self._source = source
        self._name = name or f"transformers:{source}"
        self._max_new_tokens = max_new_tokens
        self._pipeline: Any = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers-asr")

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
            body = await loop.run_in_executor(self._worker, self._transcribe, sound.samples)
        except Exception as error:
            raise as_infrastructure_error(error, self.name) from error
        evidence = list(read_transcript(body, sound.window))
        return ModelOutput(evidence=focus_first(evidence, focus), cost=Cost(model_calls=1))

    def _transcribe(self, samples: Samples) -> dict[str, Any]:
        """Return text and segments, in the shape of a transcription endpoint's reply."""
        if self._pipeline is None:
            self._pipeline = load(self._source)
        options: dict[str, Any] = {"do_sample": False}
        if self._max_new_tokens is not None:
            options["max_new_tokens"] = self._max_new_tokens
        words = hasattr(self._pipeline.model.generation_config, "alignment_heads")
        with torch.inference_mode():
            heard = self._pipeline(
                {"raw": samples, "sampling_rate": SAMPLE_RATE_HZ},
                return_timestamps="word" if words else True,
                generate_kwargs=options,
            )
        length_s = len(samples) / SAMPLE_RATE_HZ
        said = [_cue(chunk, length_s) for chunk in cast(list[dict[str, Any]], heard.get("chunks", []))]
        return {
            "text": heard["text"],
            "segments": [_segment(cue, words=words) for cue in (joined(said) if words else said)],
        }


def _cue(chunk: Mapping[str, Any], length_s: float) -> Cue:
    """Return a word or a segment of the pipeline."""
    start_s, end_s = chunk["timestamp"]
    times_s = (float(start_s or 0.0), float(length_s if end_s is None else end_s))
    return Cue(*times_s, chunk["text"], (times_s,))


def _segment(cue: Cue, *, words: bool) -> dict[str, Any]:
    """Return a statement as a transcription endpoint writes it, with its words if they have times of their own."""
    timed = zip(cue.text.split(), cue.word_times_s, strict=False) if words else ()
    parts = [{"word": word, "start": start_s, "end": end_s} for word, (start_s, end_s) in timed]
    return {"text": cue.text, "start": cue.start_s, "end": cue.end_s, "words": parts}


def load(source: str) -> Any:
    """Load a model and return its speech recognition pipeline.

    Raises:
        SetupError: there is no such model, or it is not a speech model with timestamps.
    """
    try:
        device_map = "auto" if torch.cuda.is_available() else None
        # transformers types its auto classes loosely; `Any` says so.
        model = cast(Any, AutoModelForSpeechSeq2Seq).from_pretrained(source, dtype="auto", device_map=device_map)
        processor = cast(Any, AutoProcessor).from_pretrained(source)
        return pipeline(
            "automatic-speech-recognition",
            model=model,
            tokenizer=processor.tokenizer,
            feature_extractor=processor.feature_extractor,
        )
    except (OSError, ValueError, ImportError) as error:
        raise SetupError(
            f"The model {source!r} cannot be loaded: {one_line(str(error))}",
            fix="Give a folder or a repository with a Whisper-class model.",
        ) from error
