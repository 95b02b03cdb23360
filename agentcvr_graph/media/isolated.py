"""Decode in worker processes, so that a file that crashes its decoder costs one observation and not the program.

`IsolatedLibrary` forwards requests; a `MediaLibrary` in each worker process does the work. How workers start, die and
are stopped is in `utils/worker_processes.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.access import EVERYTHING, Access, current_limit, limited
from agentcvr_graph.media.base import MediaInfo
from agentcvr_graph.media.cache import leave_warnings_to_parent
from agentcvr_graph.media.damage import overlapping
from agentcvr_graph.media.folders import expand
from agentcvr_graph.media.library import MediaLibrary, stamp_of, stamp_text
from agentcvr_graph.media.source import absolute, parse_source
from agentcvr_graph.media.types import Cue, Frame, Note, Samples
from agentcvr_graph.types import Modality, Video
from agentcvr_graph.utils.worker_processes import TIMEOUT_S, WorkerProcesses
from agentcvr_graph.views import View

MOST_KNOWN = 4096
"""Videos whose length, size and tracks this process remembers; another one is read again in a worker."""


class IsolatedLibrary:
    """A `MediaLibrary` in worker processes.

    Args:
        workers: number of worker processes; None for one per core, at most four.
        timeout_s: longest single request, in seconds, including the download of a remote video.
        settings: arguments of the `MediaLibrary` in each worker.
    """

    def __init__(self, *, workers: int | None = None, timeout_s: float = TIMEOUT_S, **settings: Any) -> None:
        own = MediaLibrary(**settings)  # reports wrong settings at once
        self.cache_dir: Path = own.cache_dir
        self.cache_bytes, self.long_side_px = own.cache_bytes, own.long_side_px
        self._access: Access = settings.get("access", EVERYTHING)
        self._workers = WorkerProcesses(
            workers or min(4, os.cpu_count() or 1),
            what="Its decoder",
            timeout_s=timeout_s,
            prepare=_start,
            arguments=({**settings, "cache_dir": own.cache_dir},),
        )
        self._known: LRUCache[str, tuple[object, MediaInfo]] = LRUCache(MOST_KNOWN)
        self._lock = threading.Lock()

    def open(self, video: Video) -> IsolatedClip:
        """Open a video, as `MediaLibrary.open` does.

        Raises:
            VideoError: as there, and when the decoder died or took too long.
        """
        access = self._access.narrowed(current_limit())
        source = parse_source(video, access)
        located, stamp = absolute(video, source), stamp_of(source)
        key = repr((located, access))
        with self._lock:
            known = self._known.get(key)
        if known is not None and stamp is not None and known[0] == stamp:
            return IsolatedClip(self, located, known[1])
        try:
            info: MediaInfo = self.request(located, "info")
        except InfrastructureError as error:
            raise VideoError(video.source, error.message, fix="Export it again, as MP4 (H.264).") from error
        except VideoError as error:
            raise type(error)(video.source, error.problem, fix=error.fix) from error
        with self._lock:
            self._known[key] = (stamp, info)
        return IsolatedClip(self, located, info)

    def stamp(self, video: Video) -> str:
        """Return what changes with a file, as `Library.stamp`; no worker is needed."""
        return stamp_text(parse_source(video, self._access.narrowed(current_limit())))

    def request(self, video: Video, what: str, *arguments: Any) -> Any:
        """Call a clip's method in a worker and return its result; without arguments, return the clip's attribute.

        Raises:
            CVRError: as the method; `InfrastructureError` when the worker died or took too long.
        """
        return self._workers.call(_answer, current_limit(), video, what, arguments)

    def expand(self, video: Video) -> Expansion | None:
        """Return the videos that a folder or a pattern stands for, without opening any; None for one video.

        Raises:
            VideoError: there is no video, or the folder may not be read.
        """
        return expand(video, self._access.narrowed(current_limit()))

    def close(self) -> None:
        """Stop the workers. The next request starts them again; requests in progress fail."""
        self._workers.close()


class IsolatedClip:
    """A `Clip` that is open in a worker process."""

    def __init__(self, library: IsolatedLibrary, video: Video, info: MediaInfo) -> None:
        self._library, self._video = library, video
        self.info = info
        self._notes = info.notes

    def frames(self, times_s: Sequence[float], view: View | None = None) -> tuple[Frame, ...]:
        """Return frames, as `Clip.frames`. Those of a view are cut out in the worker."""
        return self._noted("frames", list(times_s), view)

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


_own: list[MediaLibrary] = []
"""The library of this worker process, created when the worker starts; empty in the parent process."""


def _start(settings: dict[str, Any]) -> None:
    leave_warnings_to_parent()
    _own.append(MediaLibrary(**settings))


def _answer(limit: Access, video: Video, what: str, arguments: tuple[Any, ...]) -> Any:
    with limited(limit):
        found = getattr(_own[0].open(video), what)
        return found(*arguments) if arguments else found
