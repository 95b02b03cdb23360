"""Cancelling a run stops its decoding and its models, also in threads and in worker processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.base import ModelOutput, SampledFrames, Sound
from agentcvr_graph.models.offline.speech import Recogniser
from agentcvr_graph.models.offline.text_engine import find_regions
from agentcvr_graph.models.offline.vision import OfflineVision
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.types import Observe, Target, Video, Window
from agentcvr_graph.utils import worker_processes
from agentcvr_graph.utils.cancellation import raise_if_cancelled, run_in_thread
from tests.support.media_files import counting


class Steps:
    """A step counter that blocks the work from its second step on until `go_on` is set."""

    def __init__(self):
        self.taken, self.second, self.go_on = 0, threading.Event(), threading.Event()

    def __call__(self, *_):
        self.taken += 1
        if self.taken >= 2:
            self.second.set()
            assert self.go_on.wait(60)


async def cancel_in_the_second_step(awaitable, steps):
    task = asyncio.ensure_future(awaitable)
    await asyncio.to_thread(steps.second.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    steps.go_on.set()
    await asyncio.sleep(0.3)


async def test_cancelled_work_ends_at_its_next_step():
    steps = Steps()

    def work():
        for _ in range(100):
            raise_if_cancelled()
            steps()

    await cancel_in_the_second_step(run_in_thread(work), steps)
    assert steps.taken == 2


async def test_work_that_is_awaited_finishes_when_other_work_is_cancelled():
    steps = Steps()

    def work(times):
        for _ in range(times):
            raise_if_cancelled()
            time.sleep(0.01)
        return times

    other = asyncio.create_task(run_in_thread(work, 30))
    await asyncio.sleep(0.02)
    await cancel_in_the_second_step(run_in_thread(lambda: [(raise_if_cancelled(), steps()) for _ in range(9)]), steps)
    assert await other == 30 and steps.taken == 2
    assert await run_in_thread(work, 3) == 3


class NoModel:
    name = "none"

    async def look(self, sampled, focus):
        return ModelOutput(evidence=())

    hear = look


async def test_a_cancelled_observation_stops_between_frames_and_queued_ones_never_start(tmp_path, monkeypatch):
    media, steps = MediaLibrary(cache_dir=tmp_path / "cache"), Steps()
    live = LivePerception(NoModel(), NoModel(), media)
    video = await live.probe(Video(source=str(counting(tmp_path / "clip.mp4"))), 1)
    put = media._frames.put
    monkeypatch.setattr(media._frames, "put", lambda *given: (steps(), put(*given))[1])
    targets = tuple(Target(video=1, start_s=start, end_s=start + 1, frames=8) for start in range(6))
    await cancel_in_the_second_step(live.observe(Observe(targets=targets), [video]), steps)
    assert steps.taken == 2
    assert (await live.observe(Observe(targets=targets), [video])).cost.frames == 48


async def test_the_offline_models_leave_no_work_behind(monkeypatch):
    """Frames and cells that wait for a worker are never worked on."""
    pool = worker_processes._shared(os.getpid())
    begun, go_on = threading.Event(), threading.Event()
    calls: list[object] = []

    def call(function, *_):
        calls.append(function)
        begun.set()
        assert go_on.wait(60)
        raise_if_cancelled()

    monkeypatch.setattr(pool._workers, "call", call)
    pictures = [np.full((90, 160, 3), 50 * (n % 5), dtype=np.uint8) for n in range(40)]
    frames = tuple(Frame(time_s=float(n), pixels=picture) for n, picture in enumerate(pictures))
    window = Window(video=1, start_s=0, end_s=40)
    looking = asyncio.ensure_future(OfflineVision().look([SampledFrames(window, frames, "x")], ""))
    await asyncio.to_thread(begun.wait, 60)
    hearing = asyncio.ensure_future(Recogniser().hear(Sound(window, np.ones(9, np.float32), (), "x"), ""))
    await asyncio.sleep(0)
    for task in (looking, hearing):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()
    await asyncio.to_thread(pool._threads.submit(int).result)  # after all that was waiting
    assert {call.func for call in calls} == {find_regions}
    assert len(calls) <= len(frames)


async def test_a_worker_of_a_cancelled_request_is_stopped_and_its_library_still_works(tmp_path):
    clip = counting(tmp_path / "clip.mp4")
    other = counting(tmp_path / "other.mp4")
    library = IsolatedLibrary(workers=1, timeout_s=120, cache_dir=tmp_path / "cache")
    try:
        before = multiprocessing.active_children()
        await run_in_thread(library.open, Video(source=str(other)))
        workers = [child for child in multiprocessing.active_children() if child not in before]
        assert len(workers) == 1
        os.kill(workers[0].pid, signal.SIGSTOP)  # it hangs
        task = asyncio.create_task(run_in_thread(library.open, Video(source=str(clip))))
        await asyncio.sleep(1)  # until its request is sent
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        opened = await run_in_thread(library.open, Video(source=str(clip)))
        assert opened.info.width == 320
        assert not any(worker.is_alive() for worker in workers)
    finally:
        library.close()
