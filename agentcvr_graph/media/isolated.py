"""Decoding in processes that may die: a file that kills its decoder costs one observation, not the program.

The library of this process only passes requests on; `MediaLibrary` does the work in a few workers. A worker that dies
is replaced, and its request made once more: where that dies too, it is the file's doing, and the request fails as the
failure of the world that it is. So does one that is not done in time; its worker is killed.

Every worker has a pool, and so a pipe, of its own. Workers of one pool share a pipe and its locks: one that is killed
while it holds them would take its siblings' requests with it, or leave them waiting for ever.

Workers are started afresh (`spawn`), because a process with threads and open decoders cannot be forked safely. So the
program that uses this needs a guarded main module, as the command line and the server have.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.library import MediaLibrary, stamp_of
from agentcvr_graph.media.types import Cue, Frame, Samples
from agentcvr_graph.types import Video
from agentcvr_graph.utils.cancellation import raise_if_cancelled

_DEATHS = (ProcessExpired, BrokenProcessPool)
"""Of a worker that had taken its request up; of one that had not yet."""
TIMEOUT_S = 300.0
"""Longest single request, the fetching of a remote video included."""
START_S = 60.0
"""Longest start of a worker."""
LOOK_AFTER_S = 1.0
"""How often a request that is not done is looked after."""


class IsolatedLibrary:
    """A `MediaLibrary` in worker processes.

    Args:
        workers: how many; None for one a core, at most four.
        timeout_s: longest single request.
        settings: of the `MediaLibrary` in each worker.
    """

    def __init__(self, *, workers: int | None = None, timeout_s: float = TIMEOUT_S, **settings: Any) -> None:
        own = MediaLibrary(**settings)  # says at once what is wrong with the settings
        self.cache_dir: Path = own.cache_dir
        self.cache_bytes, self.long_side_px = own.cache_bytes, own.long_side_px
        self._access: Access = settings.get("access", EVERYTHING)
        self._settings = {**settings, "cache_dir": own.cache_dir}
        self._timeout_s = timeout_s
        # The worker that was given back last is the next to be used: no more are started than are needed at a time.
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all = [_Worker(self._settings, timeout_s) for _ in range(workers or min(4, os.cpu_count() or 1))]
        for worker in self._all:
            self._free.put(worker)
        self._closings = 0
        self._known: dict[str, tuple[object, MediaInfo]] = {}

    def open(self, video: Video) -> IsolatedClip:
        """As `MediaLibrary.open`.

        Raises:
            VideoError: as there; and where the file killed its decoder.
        """
        key, stamp = repr(video), stamp_of(video, self._access)
        known = self._known.get(key)
        if known is not None and stamp is not None and known[0] == stamp:
            return IsolatedClip(self, video, known[1])
        try:
            info: MediaInfo = self.ask(video, "info")
            self._known[key] = (stamp, info)
            return IsolatedClip(self, video, info)
        except InfrastructureError as error:
            raise VideoError(video.source, error.message, fix="Export it again, as MP4 (H.264).") from error

    def ask(self, video: Video, what: str, *arguments: Any) -> Any:
        """What a clip's method gives, or its attribute where there are no arguments.

        Raises:
            CVRError: as the method; `InfrastructureError` where the worker died or took too long.
        """
        closings = self._closings
        request, check = (video, what, arguments), lambda: self._check_wanted(closings)
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
        """Stop the workers. They are started again with the next request, not with one that is under way."""
        self._closings += 1
        for worker in self._all:
            worker.stop()

    def _check_wanted(self, closings: int) -> None:
        """No worker is started for a request that nobody waits for, or that was made before the library was closed."""
        raise_if_cancelled()
        if self._closings != closings:
            raise InfrastructureError("The decoders were stopped while this was under way.")


class _Worker:
    """One process, started with its first request and again after each death. Has one request at a time."""

    def __init__(self, settings: dict[str, Any], timeout_s: float) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._pool: ProcessPool | None = None
        self._starting = threading.Lock()

    def answer(self, request: tuple[Any, ...], check: Callable[[], None]) -> Any:
        """What the worker makes of a request.

        Args:
            check: raises where the request is not to be begun any more.

        Raises:
            ProcessExpired, BrokenProcessPool: it died; the next request starts another.
            TimeoutError: it took too long, and was stopped.
            CancelledError: nobody waits for it any more, and it was stopped.
            CVRError: as the request.
        """
        try:
            with self._starting:
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
        except RuntimeError as error:  # it died this very moment
            raise BrokenProcessPool(str(error)) from error

    def _result(self, pool: ProcessPool, future: Future[Any]) -> Any:
        """What comes of a request. One that a dying worker never took up is forgotten by its pool: look after it."""
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
        """Kill the process, if there is one."""
        with self._starting:
            pool, self._pool = self._pool, None
        self._end(pool)

    @staticmethod
    def _end(pool: ProcessPool | None) -> None:
        if pool is not None:
            pool.stop()
            pool.join()

    def _started(self) -> ProcessPool:
        if self._pool is not None and not self._pool.active:  # it died while it had nothing to do
            self._end(self._pool)
            self._pool = None
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPool(max_workers=1, initializer=_start, initargs=(self._settings,), context=context)
        return self._pool


class IsolatedClip:
    """A clip that another process has open."""

    def __init__(self, library: IsolatedLibrary, video: Video, info: MediaInfo) -> None:
        self._library, self._video = library, video
        self.info = info

    def frames(self, times_s: Sequence[float]) -> tuple[Frame, ...]:
        """As the protocol."""
        return self._library.ask(self._video, "frames", list(times_s))

    def sound(self, start_s: float, end_s: float) -> Samples:
        """As the protocol."""
        return self._library.ask(self._video, "sound", start_s, end_s)

    def cues(self, start_s: float, end_s: float) -> tuple[Cue, ...]:
        """As the protocol."""
        return self._library.ask(self._video, "cues", start_s, end_s) if self.info.has_subtitles else ()


_own: list[MediaLibrary] = []
"""The library of a worker, from its start to its end."""


def _start(settings: dict[str, Any]) -> None:
    _own.append(MediaLibrary(**settings))


def _answer(video: Video, what: str, arguments: tuple[Any, ...]) -> Any:
    found = getattr(_own[0].open(video), what)
    return found(*arguments) if arguments else found
