"""Decode in worker processes, so that a file that crashes its decoder costs one observation and not the program.

`IsolatedLibrary` forwards requests; a `MediaLibrary` in each worker process does the work. If a worker dies, it is
replaced and its request is retried once. If that worker dies too, the file is the cause, and the request fails with an
infrastructure error. A request that exceeds its time limit fails in the same way, and its worker is killed.

Every worker has its own pool, and therefore its own pipe. The workers of one pool would share a pipe and its locks: a
worker that is killed while it holds them would lose the requests of the others, or leave them waiting forever.

Workers are fresh interpreters, because a process with threads and open decoders cannot be forked safely. `loky` starts
them, and does not import the caller's `__main__` again as multiprocessing's `spawn` does. A script without a guard, a
program on the standard input and an interactive session can therefore decode too.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from loky.backend.context import LokyContext
from pebble import ProcessExpired, ProcessPool

from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.access import EVERYTHING, Access, current_limit, limited
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.damage import overlapping
from agentcvr_graph.media.library import MediaLibrary, stamp_of
from agentcvr_graph.media.source import absolute, parse_source
from agentcvr_graph.media.types import Cue, Frame, Note, Samples
from agentcvr_graph.types import Modality, Video
from agentcvr_graph.utils.cancellation import raise_if_cancelled

_DEATHS = (ProcessExpired, BrokenProcessPool)
"""Raised when a worker dies: after it took up its request, or before."""
TIMEOUT_S = 300.0
"""Longest single request, in seconds, including the download of a remote video."""
START_S = 60.0
"""Longest start of a worker, in seconds."""
LOOK_AFTER_S = 1.0
"""Interval at which a pending request is checked, in seconds."""


class IsolatedLibrary:
    """A `MediaLibrary` in worker processes.

    Args:
        workers: number of worker processes; None for one per core, at most four.
        timeout_s: longest single request, in seconds.
        settings: arguments of the `MediaLibrary` in each worker.
    """

    def __init__(self, *, workers: int | None = None, timeout_s: float = TIMEOUT_S, **settings: Any) -> None:
        own = MediaLibrary(**settings)  # reports wrong settings at once
        self.cache_dir: Path = own.cache_dir
        self.cache_bytes, self.long_side_px = own.cache_bytes, own.long_side_px
        self._access: Access = settings.get("access", EVERYTHING)
        self._settings = {**settings, "cache_dir": own.cache_dir}
        self._timeout_s = timeout_s
        # Last in, first out: only as many workers are started as requests run at the same time.
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all = [_Worker(self._settings, timeout_s) for _ in range(workers or min(4, os.cpu_count() or 1))]
        for worker in self._all:
            self._free.put(worker)
        self._closings = 0
        self._known: dict[str, tuple[object, MediaInfo]] = {}

    def open(self, video: Video) -> IsolatedClip:
        """Open a video, as `MediaLibrary.open` does.

        Raises:
            VideoError: as there, and when the decoder died or took too long.
        """
        access = self._access.narrowed(current_limit())
        source = parse_source(video, access)
        located, stamp = absolute(video, source), stamp_of(source)
        key = repr((located, access))
        known = self._known.get(key)
        if known is not None and stamp is not None and known[0] == stamp:
            return IsolatedClip(self, located, known[1])
        try:
            info: MediaInfo = self.request(located, "info")
        except InfrastructureError as error:
            raise VideoError(video.source, error.message, fix="Export it again, as MP4 (H.264).") from error
        except VideoError as error:
            raise type(error)(video.source, error.problem, fix=error.fix) from error
        self._known[key] = (stamp, info)
        return IsolatedClip(self, located, info)

    def request(self, video: Video, what: str, *arguments: Any) -> Any:
        """Call a clip's method in a worker and return its result; without arguments, return the clip's attribute.

        Raises:
            CVRError: as the method; `InfrastructureError` when the worker died or took too long.
        """
        closings = self._closings
        request, check = (current_limit(), video, what, arguments), lambda: self._check_wanted(closings)
        worker = self._free.get()
        try:
            try:
                return worker.answer(request, check)
            except _DEATHS:
                return worker.answer(request, check)
        except _DEATHS as error:
            raise InfrastructureError("Its decoder died, twice.") from error
        except TimeoutError as error:
            raise InfrastructureError(f"Its decoder took longer than {self._timeout_s:g} s and was stopped.") from error
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Stop the workers. The next request starts them again; requests in progress fail."""
        self._closings += 1
        for worker in self._all:
            worker.stop()

    def _check_wanted(self, closings: int) -> None:
        """Raise if the request was cancelled, or if the library was closed since, so that no worker starts for it."""
        raise_if_cancelled()
        if self._closings != closings:
            raise InfrastructureError("The decoders were stopped while this was under way.")


class _Worker:
    """One worker process. Starts with the first request and after each death; handles one request at a time."""

    def __init__(self, settings: dict[str, Any], timeout_s: float) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._pool: ProcessPool | None = None
        self._starting = threading.Lock()

    def answer(self, request: tuple[Any, ...], check: Callable[[], None]) -> Any:
        """Return the worker's answer to a request.

        Args:
            check: raises when the request must no longer start.

        Raises:
            ProcessExpired, BrokenProcessPool: the worker died; the next request starts another.
            TimeoutError: the request took too long; the worker was stopped.
            CancelledError: the request was cancelled; the worker was stopped.
            CVRError: as the request.
        """
        try:
            with self._starting, _hidden_from_ctrl_c():
                check()
                pool = self._started()
                future = self._scheduled(pool, request)
            return self._result(pool, future)
        except (*_DEATHS, TimeoutError, CancelledError):
            self.stop()
            raise

    def _scheduled(self, pool: ProcessPool, request: tuple[Any, ...]) -> Future[Any]:
        try:
            return pool.schedule(_answer, args=request, timeout=self._timeout_s)
        except RuntimeError as error:  # the worker died since the check in `_started`
            raise BrokenProcessPool(str(error)) from error

    def _result(self, pool: ProcessPool, future: Future[Any]) -> Any:
        """Wait for the result. Poll, because a pool forgets a request whose worker died before taking it up."""
        latest_s = time.monotonic() + self._timeout_s + START_S
        while True:
            try:
                return future.result(LOOK_AFTER_S)
            except TimeoutError:
                raise_if_cancelled()
                if future.done() or time.monotonic() > latest_s:
                    raise
                if not pool.active:
                    raise BrokenProcessPool("The worker died before it took the request up.") from None

    def stop(self) -> None:
        """Kill the process if it is running."""
        with self._starting:
            pool, self._pool = self._pool, None
        self._end(pool)

    @staticmethod
    def _end(pool: ProcessPool | None) -> None:
        if pool is not None:
            pool.stop()
            pool.join()

    def _started(self) -> ProcessPool:
        if self._pool is not None and not self._pool.active:  # it died while it was idle
            self._end(self._pool)
            self._pool = None
        if self._pool is None:
            context: Any = LokyContext()  # it has locks of its own classes
            self._pool = ProcessPool(max_workers=1, initializer=_start, initargs=(self._settings,), context=context)
        return self._pool


class IsolatedClip:
    """A `Clip` that is open in a worker process."""

    def __init__(self, library: IsolatedLibrary, video: Video, info: MediaInfo) -> None:
        self._library, self._video = library, video
        self.info = info
        self._notes = info.notes

    def frames(self, times_s: Sequence[float]) -> tuple[Frame, ...]:
        """Return frames, as `Clip.frames`."""
        return self._noted("frames", list(times_s))

    def sound(self, start_s: float, end_s: float) -> Samples:
        """Return samples, as `Clip.sound`."""
        return self._noted("sound", start_s, end_s)

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """Return subtitles, as `Clip.cues`."""
        return self._library.request(self._video, "cues", start_s, end_s) if self.info.has_subtitles else ()

    def notes(self, start_s: float, end_s: float, modality: Modality | None = None) -> tuple[str, ...]:
        """Return notes, as `Clip.notes`: those of the workers that answered this clip's requests."""
        return overlapping(self._notes, start_s, end_s, modality)

    def all_notes(self) -> tuple[Note, ...]:
        """Return notes, as `Clip.all_notes`."""
        return self._notes

    def _noted(self, what: str, *window: Any) -> Any:
        found, self._notes = self._library.request(self._video, "noted", what, *window)
        return found


@contextmanager
def _hidden_from_ctrl_c() -> Generator[None]:
    """Start processes that SIGINT does not reach: a terminal sends it to all, and this process ends its workers itself.

    A process inherits the signals that the thread which starts it blocks. Without this, one that is still importing
    would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # unblocks SIGINT where it starts the tracker (Python 3.11)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_own: list[MediaLibrary] = []
"""The library of this worker process, created when the worker starts; empty in the parent process."""


def _start(settings: dict[str, Any]) -> None:
    _own.append(MediaLibrary(**settings))


def _answer(limit: Access, video: Video, what: str, arguments: tuple[Any, ...]) -> Any:
    with limited(limit):
        found = getattr(_own[0].open(video), what)
        return found(*arguments) if arguments else found
