"""Search the evidence of many videos, and index those that are missing before.

A video is indexed at most once under its key, by whichever run or process needs it first; others wait for it
(`utils/single_flight.py`). What an index costs stays within the allowance of the search: the missing videos are taken
in their order while their planned cost fits. A video that cannot be indexed is reported and does not stop the others.

The index of a perception is a file in the folder that it names. Evidence that costs nothing (scripts) is indexed in
memory: one index for each set of videos, so that scores depend on nothing but these videos.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast
from weakref import WeakKeyDictionary

from agentcvr_graph.catalogue import Sources, UnopenedError
from agentcvr_graph.errors import CVRError, InfrastructureError, VideoError
from agentcvr_graph.index.overview import VERSION, overview_of, planned_cost
from agentcvr_graph.index.store import EvidenceStore
from agentcvr_graph.index.windows import FoundWindow, windows_of
from agentcvr_graph.perception.base import Indexable, Perception, Reworded
from agentcvr_graph.types import Cost, Modality, VideoInfo
from agentcvr_graph.utils.concurrency import in_order
from agentcvr_graph.utils.single_flight import SingleFlight

FILE = "evidence.sqlite"
"""Name of the index in its folder."""
AT_ONCE = 4
"""Videos that are indexed at the same time by one search."""
KEYS_AT_ONCE = 16
HITS_PER_WINDOW = 20
"""Statements that are read for each window that is wanted: several belong to one window."""
NOTHING_SPENT = Cost()
MAX_SETS = 32
"""Sets of videos whose index is kept in memory."""


_Index: TypeAlias = tuple[EvidenceStore, SingleFlight[bool]]
"""Where statements are kept, and the videos that are being indexed there."""


@dataclass(frozen=True)
class Query:
    """What to search for."""

    text: str
    numbers: tuple[int, ...]
    """The videos to search."""
    modality: Modality | None = None
    limit: int = 5
    """Largest number of windows."""


@dataclass(frozen=True)
class Found:
    """The result of a search."""

    windows: tuple[tuple[int, FoundWindow], ...]
    """The windows with the numbers of their videos, best first."""
    cost: Cost
    """The cost of what was indexed for this search."""
    beyond: tuple[int, ...] = ()
    """Videos that are not indexed because the allowance was too small."""
    problems: tuple[tuple[int, str], ...] = ()
    """Videos that cannot be indexed, and why."""


@dataclass(frozen=True)
class _Entry:
    """A video to search."""

    info: VideoInfo
    key: str


@dataclass
class _Built:
    """The outcome of indexing the missing videos."""

    beyond: list[int] = field(default_factory=list[int])
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    cost: Cost = field(default_factory=Cost)


class Finder:
    """Searches the indexes of perceptions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[Path, _Index] = {}
        self._own: WeakKeyDictionary[Perception, _Index] = WeakKeyDictionary()
        self._sets: OrderedDict[str, _Index] = OrderedDict()

    async def find(
        self, query: Query, perception: Perception, videos: Sequence[VideoInfo], allowance: Cost = NOTHING_SPENT
    ) -> Found:
        """Return the best windows.

        Args:
            allowance: the frames and seconds of sound that may be spent on videos that are not indexed.

        Raises:
            InfrastructureError: the index cannot be used.
        """
        perception = perception.plain if isinstance(perception, Reworded) else perception
        entries, problems = await _entries(query.numbers, perception, videos)
        free = isinstance(perception, Indexable) and perception.index_folder is None
        store, flights = await self._index(perception, [entry.key for entry in entries])
        built = await _build(entries, perception, store, flights, None if free else allowance)
        by_key = {entry.key: entry.info.number for entry in reversed(entries)}
        hits = await asyncio.to_thread(
            store.search,
            query.text,
            list(by_key),
            modality=query.modality,
            limit=query.limit * HITS_PER_WINDOW,
        )
        windows = windows_of(hits, query.limit)
        await asyncio.to_thread(store.mark_used, [window.key for window in windows])
        return Found(
            tuple((by_key[window.key], window) for window in windows),
            Cost() if free else built.cost,
            tuple(built.beyond),
            tuple(sorted([*problems, *built.problems])),
        )

    async def _index(self, perception: Perception, keys: Sequence[str]) -> _Index:
        if not isinstance(perception, Indexable):
            if perception not in self._own:
                self._own[perception] = EvidenceStore(), SingleFlight(None)
            return self._own[perception]
        folder = perception.index_folder
        if folder is None:
            return self._of_set(keys)
        return self._files.get(folder) or await asyncio.to_thread(self._opened, folder)

    def _opened(self, folder: Path) -> _Index:
        with self._lock:
            if folder not in self._files:
                self._files[folder] = EvidenceStore(folder / FILE), SingleFlight(folder / "locks")
            return self._files[folder]

    def _of_set(self, keys: Sequence[str]) -> _Index:
        digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
        if digest not in self._sets:
            self._sets[digest] = EvidenceStore(), SingleFlight(None)
            if len(self._sets) > MAX_SETS:
                self._sets.popitem(last=False)
        self._sets.move_to_end(digest)
        return self._sets[digest]


async def _entries(
    numbers: Iterable[int], perception: Perception, videos: Sequence[VideoInfo]
) -> tuple[list[_Entry], list[tuple[int, str]]]:
    """Return the videos with their keys, and those that cannot be read."""

    async def entry(number: int) -> _Entry | tuple[int, str]:
        try:
            info = await _info(number, perception, videos)
            if info.problem:
                return number, info.problem
            return _Entry(info, await _key(info, perception))
        except VideoError as error:
            return number, error.problem
        except InfrastructureError as error:
            return number, str(error)

    found = await in_order(entry, list(numbers), KEYS_AT_ONCE)
    return [one for one in found if isinstance(one, _Entry)], [one for one in found if isinstance(one, tuple)]


async def _info(number: int, perception: Perception, videos: Sequence[VideoInfo]) -> VideoInfo:
    """Return what is known of a video; open it if that was not needed until now."""
    try:
        return videos[number - 1]
    except UnopenedError:
        return await perception.probe(cast(Sources, videos).reference(number), number)


async def _key(info: VideoInfo, perception: Perception) -> str:
    if isinstance(perception, Indexable):
        return f"{VERSION}|{await perception.evidence_key(info)}"
    return info.model_copy(update={"number": 1}).model_dump_json()


async def _build(
    entries: Sequence[_Entry],
    perception: Perception,
    store: EvidenceStore,
    flights: SingleFlight[bool],
    allowance: Cost | None,
) -> _Built:
    """Index the missing videos whose planned cost fits into the allowance; None for no limit."""
    built = _Built()
    known = await asyncio.to_thread(store.known, [entry.key for entry in entries])
    missing = list({entry.key: entry for entry in reversed(entries) if entry.key not in known}.values())[::-1]
    chosen: list[_Entry] = []
    for entry in missing:
        planned = planned_cost(entry.info)
        if allowance is None:
            chosen.append(entry)
        elif planned.frames <= allowance.frames and planned.audio_s <= allowance.audio_s:
            chosen.append(entry)
            allowance = Cost(frames=allowance.frames - planned.frames, audio_s=allowance.audio_s - planned.audio_s)
        else:
            built.beyond.append(entry.info.number)

    async def build(entry: _Entry) -> None:
        try:
            cost = await _add(entry, perception, store, flights)
        except (InfrastructureError, VideoError) as error:
            built.problems.append((entry.info.number, _reason(error)))
        else:
            built.cost += cost

    await in_order(build, chosen, AT_ONCE)
    return built


async def _add(entry: _Entry, perception: Perception, store: EvidenceStore, flights: SingleFlight[bool]) -> Cost:
    """Index a video, unless another run does it meanwhile; return what it cost this run."""
    paid: list[Cost] = []

    async def stored() -> bool | None:
        return True if await asyncio.to_thread(store.known, [entry.key]) else None

    async def work() -> bool:
        overview = await overview_of(entry.info, perception)
        paid.append(overview.cost)
        title, duration_s = entry.info.title, entry.info.duration_s
        await asyncio.to_thread(store.add, entry.key, overview.statements, title=title, duration_s=duration_s)
        return True

    await flights.run(entry.key, stored, work)
    return sum(paid, Cost())


def _reason(error: CVRError) -> str:
    return error.problem if isinstance(error, VideoError) else str(error)
