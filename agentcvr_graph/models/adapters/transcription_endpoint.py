"""An audio model behind a `/v1/audio/transcriptions` endpoint: OpenAI's, or a compatible server's.

In: sound. Out: what is said, with times of sentences and words if the server reports them (`verbose_json`), else one
statement for the whole window; `transcripts.py` reads the replies. Words are always asked for, because a transcript is
kept for every later window and for extraction. The focus is not sent: the endpoint transcribes everything, and a prompt
makes Whisper hallucinate the words that it names. Long sound is sent in parts, because such endpoints refuse large
files.
"""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Samples
from agentcvr_graph.models.adapters.transcripts import body_of, has_words, read_transcript
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.clients.errors import (
    as_infrastructure_error,
    one_line,
    raise_error_in,
    refused,
    said_in,
)
from agentcvr_graph.models.clients.keys import SERVER_KEY
from agentcvr_graph.models.clients.openai_compatible import unpooled_client
from agentcvr_graph.models.clients.usage import counts
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.subtitles_first import part_of
from agentcvr_graph.types import Cost, Evidence, Window

MAX_PART_S = 600.0
"""Longest sound of one call in seconds: 19 MB as WAV, where OpenAI accepts 25 MB."""
Form = Mapping[str, str | list[str]]
"""Fields of a request."""
FORMS: Sequence[Form] = (
    {"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]},
    {"response_format": "verbose_json"},
    {"response_format": "json"},
)
"""Fields that choose what a reply states, the fullest first. Some servers refuse times of words; gpt-4o-transcribe
supports only the plain format."""

REFUSALS = (400, 422)
"""HTTP statuses of a request that may be accepted in a simpler form."""


class TranscriptionEndpoint:
    """An `AudioModel` behind an HTTP endpoint.

    Args:
        base_url: such as `http://host:8000/v1`; the path `/audio/transcriptions` is added.
        model: the name of the model on the server.
        api_key: sent as a bearer token.
        key_variable: the environment variable that holds the key, for the message when it is refused.
        name: the model's name, as the user gave it; empty for the address and `model`.
        timeout_s: longest single call, in seconds.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "none",
        key_variable: str = SERVER_KEY,
        name: str = "",
        timeout_s: float = 120.0,
    ) -> None:
        self._url = f"{base_url}/audio/transcriptions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._key_variable = key_variable
        self._name = name or f"{base_url}#{model}"
        self._client = unpooled_client(timeout_s)
        self._forms: Sequence[Form] = FORMS
        """Those that the server has not refused."""

    @property
    def name(self) -> str:
        return self._name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Transcribe the sound, in parts of at most `MAX_PART_S`.

        Raises:
            InfrastructureError: the endpoint failed; transient for a timeout, a refused connection, 429 and 5xx.
            SetupError: the endpoint refused the key.
        """
        evidence: list[Evidence] = []
        cost = Cost()
        for part in split_window(sound.window):
            body = await self._transcribe(part_of(sound, part).samples)
            evidence += read_transcript(body, part)
            cost += cost_of(body)
        return ModelOutput(evidence=focus_first(evidence, focus), cost=cost)

    async def _transcribe(self, samples: Samples) -> Mapping[str, Any]:
        wav = await asyncio.to_thread(wav_bytes, samples)
        forms, reply = self._forms, await self._post(wav, self._forms[0])
        while reply.status_code in REFUSALS and len(forms) > 1:
            forms = forms[1:]
            reply = await self._post(wav, forms[0])
        if reply.is_error:
            raise refused(reply.status_code, one_line(_said(reply)), self._name, key=self._key_variable)
        self._forms = forms
        return self._body(reply)

    async def _post(self, wav: bytes, form: Form) -> httpx.Response:
        fields = {"model": self._model, **form}
        files = {"file": ("sound.wav", wav, "audio/wav")}
        try:
            return await self._client.post(self._url, headers=self._headers, data=fields, files=files)
        except httpx.HTTPError as error:
            raise as_infrastructure_error(error, self._name) from error

    def _body(self, reply: httpx.Response) -> Mapping[str, Any]:
        body = body_of(reply.text, reply.headers.get("content-type", ""))
        if body is None:
            raise InfrastructureError(f"{self._name} answered with something that is not JSON.", transient=True)
        raise_error_in(body, self._name, key=self._key_variable)
        if not has_words(body):
            raise InfrastructureError(f"{self._name} answered without a transcript.", transient=True)
        return body


def wav_bytes(samples: Samples) -> bytes:
    """Return a WAV file of 16-bit samples."""
    file = io.BytesIO()

    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE_HZ)
        wav.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def split_window(window: Window) -> Iterator[Window]:
    """Yield the window in consecutive parts of at most `MAX_PART_S`."""
    start_s = window.start_s
    while start_s < window.end_s:
        end_s = min(start_s + MAX_PART_S, window.end_s)
        yield Window(video=window.video, start_s=start_s, end_s=end_s)
        start_s = end_s


def cost_of(body: Mapping[str, Any]) -> Cost:
    """Return the cost of one call, with its tokens if the endpoint reports them."""
    read, written = counts(body.get("usage"))
    return Cost(input_tokens=read, output_tokens=written, model_calls=1)


def _said(reply: httpx.Response) -> str:
    try:
        body: object = reply.json()
    except json.JSONDecodeError:
        return reply.text
    return said_in(body)
