"""Live perception of a real clip through real models in this process: the observations and their cache."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agentcvr_graph.perception.factory import resolve_perception
from agentcvr_graph.types import Listen, Observe, Target, Video, Window


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make six seconds of a test picture and a tone, in H.264 and AAC."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=6"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=6"]
    command = ["ffmpeg", "-v", "error", *picture, *tone, "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)]
    subprocess.run(command, check=True)
    return path


async def test_in_process_vision_and_audio_models_observe_and_are_cached(
    clip: Path, vision_model: Path, whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTCVR_CACHE_DIR", str(tmp_path))
    perception = resolve_perception(f"transformers:{vision_model}", f"transformers:{whisper}")
    info = await perception.probe(Video(source=str(clip)), 1)
    look = Observe(targets=(Target(video=1, start_s=1.0, end_s=5.0, frames=3),), focus="numbers")
    hear = Listen(window=Window(video=1, start_s=0.0, end_s=6.0))

    seen, heard = await perception.observe(look, [info]), await perception.listen(hear, [info])
    assert seen.cost.frames == 3
    assert seen.cost.model_calls == 1
    assert seen.cost.input_tokens > 0
    assert f"transformers:{vision_model}@" in seen.model
    assert len(seen.frame_times_s[0]) == 3
    assert heard.cost.model_calls == 1
    assert f"transformers:{whisper}@" in heard.model
    for observation in (seen, heard):
        for said in observation.evidence:
            assert said.window is not None
            assert 0.0 <= said.window.start_s <= said.window.end_s <= 6.0

    again = await perception.observe(look, [info])
    assert again.evidence == seen.evidence
    assert again.cost.model_calls == 0
    assert (await perception.listen(hear, [info])).cost.model_calls == 0
