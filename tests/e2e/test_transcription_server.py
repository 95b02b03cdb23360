"""Transcription over HTTP by a real endpoint (`transformers serve`) with a randomly initialized Whisper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue
from agentcvr_graph.models.base import Sound
from agentcvr_graph.models.registry import resolve_audio
from agentcvr_graph.types import Cost, Window

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytestmark = pytest.mark.enable_socket
WINDOW = Window(video=1, start_s=10.0, end_s=16.0)


def noise(cues: tuple[Cue, ...] = ()) -> Sound:
    samples = np.random.default_rng(0).normal(0, 0.1, 6 * SAMPLE_RATE_HZ).astype(np.float32)
    return Sound(WINDOW, samples, cues, "id")


async def test_the_server_transcribes_audio(transcription_server: Server, whisper: Path) -> None:
    output = await resolve_audio(f"{transcription_server.url}#{whisper}").hear(noise(), "")
    assert output.cost == Cost(model_calls=1)
    (said,) = output.evidence
    assert said.window == WINDOW, "this server tells no times"
    assert said.text.startswith('"')


async def test_subtitles_replace_the_transcription_call(transcription_server: Server, whisper: Path) -> None:
    audio = resolve_audio(f"{transcription_server.url}#{whisper}")
    output = await audio.hear(noise((Cue(10.0, 15.0, "Add salt."),)), "")
    assert [said.text for said in output.evidence] == ['"Add salt."']
    assert output.cost == Cost()


async def test_a_missing_model_raises_infrastructure_error(transcription_server: Server, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="HTTP"):
        await resolve_audio(f"{transcription_server.url}#{tmp_path}").hear(noise(), "")
