"""Decoding in worker processes gives the same frames, and a worker that dies costs at most one request."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from agentcvr_graph import InfrastructureError, VideoError
from agentcvr_graph.media import isolated
from agentcvr_graph.media.access import Access, limited
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.isolated import IsolatedLibrary
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.support.media_files import counting

INFO = MediaInfo("id", 1.0, 25.0, 16, 16, has_sound=False, has_subtitles=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return Video(source=str(counting(tmp_path_factory.mktemp("isolated") / "clip.mp4")))


@pytest.fixture
def library(tmp_path):
    library = IsolatedLibrary(workers=1, timeout_s=60, cache_dir=tmp_path)
    yield library
    library.close()


def workers(since=frozenset()):
    """Return the worker processes of this process that are not in `since`."""
    return [child for child in multiprocessing.active_children() if child not in since]


def kill_workers(since=frozenset()) -> int:
    """Kill the worker processes that are not in `since`, and return their number."""
    children = workers(since)
    for child in children:
        os.kill(child.pid, signal.SIGKILL)
    return len(children)


def opened_by_a_worker_that_hangs(library, folder):
    """Return a second file for a library whose worker, started for the first, does nothing more."""
    others = frozenset(workers())
    library.open(Video(source=str(counting(folder / "first.mp4", seconds=1))))
    (worker,) = workers(others)
    os.kill(worker.pid, signal.SIGSTOP)
    return Video(source=str(counting(folder / "second.mp4", seconds=1))), others


def test_worker_processes_return_the_same_data_as_this_process(tmp_path, clip, library):
    here, there = MediaLibrary(cache_dir=tmp_path / "other").open(clip), library.open(clip)
    assert there.info == here.info
    for one, other in zip(here.frames([1.0, 3.0]), there.frames([1.0, 3.0]), strict=True):
        assert one.time_s == other.time_s and np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(here.sound(2.0, 3.0), there.sound(2.0, 3.0))
    assert there.cues(0, 8) == ()
    with pytest.raises(VideoError, match="no such file") as error:
        library.open(Video(source="none.mp4"))
    assert error.value.source == "none.mp4" and error.value.fix


def test_a_process_remembers_so_many_videos_and_asks_its_workers_about_others(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "MOST_KNOWN", 1)
    library, asked = IsolatedLibrary(workers=1, cache_dir=tmp_path), []
    monkeypatch.setattr(library, "request", lambda video, what: asked.append(Path(video.source).name) or INFO)
    for name in "aabba":
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
        library.open(Video(source=str(tmp_path / name)))
    assert asked == ["a", "b", "a"]


def test_a_dead_worker_is_replaced_and_its_request_is_retried(clip, library):
    others = frozenset(workers())
    library.open(clip)
    assert kill_workers(others) == 1
    assert len(library.open(clip).frames([0.5, 1.5])) == 2


def test_a_file_that_kills_its_decoder_fails_and_other_files_still_open(tmp_path, clip, library):
    """Every worker that decodes this clip is killed."""
    opened = library.open(clip)
    stop = threading.Event()

    def killer() -> None:
        while not stop.is_set():
            kill_workers()
            time.sleep(0.01)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with pytest.raises(InfrastructureError, match="Its decoder died, twice"):
            opened.frames([0.5])
        with pytest.raises(VideoError, match=r"clip2\.mp4: Its decoder died"):
            library.open(Video(source=str(counting(tmp_path / "clip2.mp4", seconds=2))))
    finally:
        stop.set()
        thread.join()
    assert len(opened.frames([0.5])) == 1


def test_every_request_ends_whenever_workers_die(tmp_path, clip):
    """Workers are killed while they start, work, wait, or take up a request. Other workers keep their requests."""
    others = frozenset(workers())
    library = IsolatedLibrary(workers=3, timeout_s=60, cache_dir=tmp_path)
    until_s, rng = time.monotonic() + 12, random.Random(0)
    ends: Counter[str] = Counter()

    def ask() -> None:
        while time.monotonic() < until_s:
            try:
                library.open(clip).frames([rng.uniform(0, 8) for _ in range(4)])
                ends["frames"] += 1
            except (VideoError, InfrastructureError) as error:
                ends["died" if "decoder died" in error.message else error.message] += 1

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until_s:
        time.sleep(rng.uniform(0.1, 1.5))
        if children := workers(others):
            os.kill(rng.choice(children).pid, signal.SIGKILL)
    for thread in threads:
        thread.join(timeout=280)
    library.close()
    assert not any(thread.is_alive() for thread in threads)
    assert ends["frames"] > 0 and set(ends) <= {"frames", "died"}
    assert workers(others) == []


def test_a_closed_library_starts_no_workers_for_pending_requests(tmp_path):
    library = IsolatedLibrary(workers=1, timeout_s=120, cache_dir=tmp_path)
    video, others = opened_by_a_worker_that_hangs(library, tmp_path)
    ends: list[Exception] = []

    def ask() -> None:
        try:
            library.open(video)
        except (VideoError, InfrastructureError, CancelledError) as error:
            ends.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]  # one runs, two wait for its worker
    for thread in threads:
        thread.start()
    time.sleep(1)  # until the threads have sent their requests
    assert ends == [] and workers(others)
    library.close()
    for thread in threads:
        thread.join(timeout=280)
    assert len(ends) == 3
    assert workers(others) == []


def test_a_worker_that_hangs_is_stopped_after_timeout_s(tmp_path):
    library = IsolatedLibrary(workers=1, timeout_s=10, cache_dir=tmp_path)
    try:
        video, others = opened_by_a_worker_that_hangs(library, tmp_path)
        with pytest.raises(VideoError, match="took longer than 10 s and was stopped"):
            library.open(video)
        assert workers(others) == []
        assert library.open(video).info.width == 320
    finally:
        library.close()


def test_errors_are_unchanged_after_pickling():
    for error in (VideoError("a.mp4", "no.", fix="Check it."), InfrastructureError("x", transient=True, status=503)):
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error) and str(back) == str(error) and back.__dict__ == error.__dict__


def test_a_limit_of_the_caller_holds_in_the_worker_processes(clip, library, tmp_path):
    assert library.open(clip).info.width
    opened = library.open(clip)
    with limited(Access(roots=(tmp_path / "elsewhere",))):
        with pytest.raises(VideoError, match="lies outside the folders"):
            library.open(clip)
        with pytest.raises(VideoError, match="lies outside the folders"):
            opened.frames([0.0])
    assert len(opened.frames([0.0])) == 1
