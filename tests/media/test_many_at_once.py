"""Identical looks and identical sound at the same time cost one model call, in one program and in several."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import ModelOutput, SampledFrames, Sound
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.types import Cost, Evidence, Listen, Observe, Target, Video, Window
from tests.support.media_files import counting

LOOK = Observe(targets=(Target(video=1, start_s=0, end_s=8, frames=4),), focus="the brightness")
LISTENING = Listen(window=Window(video=1, start_s=0, end_s=8))


class PaidModel:
    """A vision and audio model that counts its calls, and waits in each until it may finish."""

    name = "paid"

    def __init__(self) -> None:
        self.count = 0
        self.started, self.may_finish = asyncio.Event(), asyncio.Event()

    async def look(self, sampled: Sequence[SampledFrames], focus: str) -> ModelOutput:
        return await self._answer(Window(video=1, start_s=0, end_s=8))

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        return await self._answer(sound.window)

    async def _answer(self, window: Window) -> ModelOutput:
        self.count += 1
        self.started.set()
        await self.may_finish.wait()
        return ModelOutput((Evidence(text="it gets brighter", window=window),), cost=Cost(input_tokens=100))


@pytest.mark.parametrize("wanted", [LOOK, LISTENING], ids=["look", "sound"])
async def test_identical_requests_at_the_same_time_make_one_paid_call(tmp_path: Path, wanted: Observe | Listen):
    clip, model = counting(tmp_path / "clip.mp4"), PaidModel()
    programs = [LivePerception(model, model, MediaLibrary(cache_dir=tmp_path / "cache")) for _ in range(2)]
    infos = [await one.probe(Video(source=str(clip)), 1) for one in programs]

    async def ask(n: int):
        live, info = programs[n % 2], infos[n % 2]
        return await (live.observe(wanted, [info]) if isinstance(wanted, Observe) else live.listen(wanted, [info]))

    asks = [asyncio.create_task(ask(n)) for n in range(8)]
    await model.started.wait()
    model.may_finish.set()
    found = await asyncio.gather(*asks)
    assert model.count == 1
    assert sum(one.cost.input_tokens for one in found) == 100
    assert len({one.model_copy(update={"cost": Cost()}).model_dump_json() for one in found}) == 1
