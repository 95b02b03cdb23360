"""Decoding in processes that may die: a file that kills its decoder costs one observation, not the program.

The library of this process only passes requests on; `MediaLibrary` does the work in a few workers. A worker that dies
is replaced, and its request made once more: where that dies too, it is the file's doing, and the request fails as the
failure of the world that it is. So does one that is not done in time; its worker is killed.

Workers are started afresh (`spawn`), because a process with threads and open decoders cannot be forked safely. So the
program that uses this needs a guarded main module, as the command line and the server have.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from agentcvr_graph.errors import VideoError, WorldError
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.library import MediaLibrary, stamp_of
from agentcvr_graph.models.base import Cue, Frame, Samples
from agentcvr_graph.types import Video

_DEATHS = (ProcessExpired, BrokenProcessPool)
"""Of the worker that had the request; of one that had none, after which the whole pool is started again."""
TIMEOUT_S = 300.0
"""Longest single request, the fetching of a remote video included."""


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
        self._workers = workers or min(4, os.cpu_count() or 1)
        self._timeout_s = timeout_s
        self._pool: ProcessPool | None = None
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, MediaInfo]] = {}

    def open(self, video: Video) -> IsolatedClip:
        """As `MediaLibrary.open`.

        Raises:
            VideoError: as there; and where the file killed its decoder.
        """
        key, stamp = video.model_dump_json(), stamp_of(video, self._access)
        known = self._known.get(key)
        if known is not None and stamp is not None and known[0] == stamp:
            return IsolatedClip(self, video, known[1])
        try:
            info: MediaInfo = self.ask(video, "info")
            self._known[key] = (stamp, info)
            return IsolatedClip(self, video, info)
        except WorldError as error:
            raise VideoError(video.source, error.message, fix="Export it again, as MP4 (H.264).") from error

    def ask(self, video: Video, what: str, *arguments: Any) -> Any:
        """What a clip's method gives, or its attribute where there are no arguments.

        Raises:
            CVRError: as the method; `WorldError` where the worker died or took too long.
        """
        try:
            try:
                return self._once(video, what, arguments)
            except _DEATHS:
                return self._once(video, what, arguments)
        except _DEATHS as error:
            raise WorldError("Its decoder died, twice.") from error
        except (FutureTimeoutError, TimeoutError) as error:
            raise WorldError(f"Its decoder took longer than {self._timeout_s:g} s and was stopped.") from error

    def _once(self, video: Video, what: str, arguments: tuple[Any, ...]) -> Any:
        future = self._started().schedule(_answer, args=(video, what, arguments), timeout=self._timeout_s)
        return future.result()

    def close(self) -> None:
        """Stop the workers. They are started again with the next request."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()

    def _started(self) -> ProcessPool:
        with self._lock:
            if self._pool is not None and not self._pool.active:
                self._pool.stop()
                self._pool.join()
                self._pool = None
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=self._workers,
                    initializer=_start,
                    initargs=(self._settings,),
                    context=multiprocessing.get_context("spawn"),
                )
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
