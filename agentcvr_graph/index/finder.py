"""Search the evidence of many videos, and index those that are missing before.

The index of a perception is a file in the folder that it names. Which videos it holds is known by their references, so
a search over thousands opens none of them: it opens those that are missing, as far as the allowance goes, and looks at
the files of those that it found. A file that has changed meanwhile is left out and indexed by the next search.

Evidence that costs nothing (scripts) is indexed in memory: one index for each set of videos, so that scores depend on
nothing but these videos. The evidence of other perceptions is kept in memory with the perception.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

from agentcvr_graph.catalogue import Catalogue, Sources, opened_of
from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.index.building import Entry, Index, Outcome, fill, fill_in_order, key_of, place_of, reference_of
from agentcvr_graph.index.meaning import ComparesMeaning
from agentcvr_graph.index.places import MAX_BYTES, file_in
from agentcvr_graph.index.store import EvidenceStore, Link
from agentcvr_graph.index.windows import BACKGROUND, FoundWindow, taking_turns, windows_of
from agentcvr_graph.index.words import descriptions
from agentcvr_graph.perception.base import Indexable, Perception, indexed_of
from agentcvr_graph.types import Cost, Modality, Video, VideoInfo
from agentcvr_graph.utils.concurrency import in_order
from agentcvr_graph.utils.single_flight import SingleFlight

PROBED_AT_ONCE = 16
MOST_OPENED = 64
"""Videos that are not in the index and are opened by one search, to see what they cost."""
HITS_PER_WINDOW = 20
"""Statements that are read for each window that is wanted: several belong to one window."""
LEAST_HITS = 100
"""Statements that are read, at least: what stands out is seen among others."""
SIMILAR_PER_WINDOW = 4
"""The same for statements that are similar in meaning. Every statement is somewhat similar: more would fill windows."""
LEAST_SIMILAR = 20
NOTHING_SPENT = Cost()
MAX_SETS = 32
"""Sets of videos whose index is kept in memory."""
MAX_FILES = 64
"""Index files that are kept open: a server has one for each user."""
CHANGED = "it has changed since it was indexed"


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
    note: str = ""
    """What was not compared by meaning, and why."""


class Finder:
    """Searches the indexes of perceptions.

    Args:
        meaning: compares the meaning of statements too; None for words alone.
    """

    def __init__(self, meaning: ComparesMeaning | None = None) -> None:
        self._meaning = meaning
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, Index] = OrderedDict()
        self._own: WeakKeyDictionary[Perception, Index] = WeakKeyDictionary()
        self._sets: OrderedDict[str, Index] = OrderedDict()
        self._references: WeakKeyDictionary[Perception, WeakKeyDictionary[Catalogue, dict[int, str]]]
        self._references = WeakKeyDictionary()

    async def find(
        self, query: Query, perception: Perception, videos: Sequence[VideoInfo], allowance: Cost = NOTHING_SPENT
    ) -> Found:
        """Return the best windows.

        Args:
            allowance: the frames and seconds of sound that may be spent on videos that are not indexed.

        Raises:
            InfrastructureError: the index cannot be used.
        """
        perception = indexed_of(perception)
        folder = perception.index_folder if isinstance(perception, Indexable) else None
        if folder is None:
            return await self._find_in_memory(query, perception, videos, allowance)
        index = await self.index_in(folder)
        return await self._find_in_file(query, cast(Indexable, perception), videos, index, allowance)

    async def index_in(self, folder: Path) -> Index:
        """Return the index of the current run, which is kept in a folder."""
        return await asyncio.to_thread(self._open, file_in(folder))

    async def _find_in_memory(
        self, query: Query, perception: Perception, videos: Sequence[VideoInfo], allowance: Cost
    ) -> Found:
        outcome = Outcome()
        entries = await _entries(query.numbers, perception, videos, outcome)
        if isinstance(perception, Indexable):
            index = self._of_set([entry.key for entry in entries])
            await fill_in_order(entries, perception, index, outcome)
        else:
            index = self._of_object(perception)
            await fill(entries, perception, index, allowance, outcome)
        limited = not isinstance(perception, Indexable)
        return _found(await self._search(query, index, outcome, limited=limited), outcome)

    async def _find_in_file(
        self, query: Query, perception: Indexable, videos: Sequence[VideoInfo], index: Index, allowance: Cost
    ) -> Found:
        """Search an index that holds other videos too."""
        outcome = Outcome()
        references = await asyncio.to_thread(self._references_of, query.numbers, perception, videos)
        links = await index.links(references.values())
        outcome.ids |= {number: links[one].video for number, one in references.items() if one in links}
        missing = [number for number in query.numbers if number not in outcome.ids]
        await _add_missing(missing, perception, videos, index, allowance, outcome)
        while True:
            windows = await self._search(query, index, outcome, limited=True)
            found = {number for number, _ in windows}.difference(missing)
            linked = {number: links[references[number]] for number in found}
            changed = await _changed(linked, perception, videos, outcome)
            if not changed:
                break
            await index.unlink([references[number] for number in changed])
            for number in changed:
                del outcome.ids[number]
        await asyncio.to_thread(index.store.mark_used, [window.video for _, window in windows])
        return _found(windows, outcome)

    async def _search(
        self, query: Query, index: Index, outcome: Outcome, *, limited: bool
    ) -> list[tuple[int, FoundWindow]]:
        numbers = {video: number for number, video in reversed(outcome.ids.items())}

        async def ranked(text: str) -> list[FoundWindow]:
            return await self._ranked(replace(query, text=text), index, list(numbers), outcome, limited)

        parts = descriptions(query.text)
        rankings = [await ranked(part) for part in parts] if len(parts) > 1 else []
        windows = taking_turns(rankings, query.limit) or (await ranked(query.text))[: query.limit]
        return [(numbers[window.video], window) for window in windows]

    async def _ranked(
        self, query: Query, index: Index, among: Sequence[int], outcome: Outcome, limited: bool
    ) -> list[FoundWindow]:
        """Return the windows of a query without its other descriptions, best first: as many as show what stands out."""
        limit = max(query.limit * HITS_PER_WINDOW, LEAST_HITS)
        hits = await asyncio.to_thread(index.store.search, query.text, among, modality=query.modality, limit=limit)
        most = max(query.limit, BACKGROUND)
        if self._meaning is None:
            return windows_of(hits, most)
        similar = max(query.limit * SIMILAR_PER_WINDOW, LEAST_SIMILAR)
        meant = await self._meaning.search(query.text, index, among, query.modality, similar, limited=limited)
        outcome.note = meant.note
        return windows_of(hits, most, meant.hits, await asyncio.to_thread(index.store.weight, query.text))

    def _references_of(
        self, numbers: Iterable[int], perception: Indexable, videos: Sequence[VideoInfo]
    ) -> dict[int, str]:
        """Return the references of videos; those of a catalogue are kept as long as it is."""
        catalogue = videos.catalogue if isinstance(videos, Sources) else None
        with self._lock:
            of_perception = self._references.setdefault(cast(Perception, perception), WeakKeyDictionary())
            known = {} if catalogue is None else of_perception.setdefault(catalogue, {})
        for number in numbers:
            if number not in known:
                known[number] = reference_of(_reference(number, videos), perception)
        return {number: known[number] for number in numbers}

    def _open(self, file: Path) -> Index:
        with self._lock:
            if file not in self._files:
                store = EvidenceStore(file, max_bytes=MAX_BYTES)
                self._files[file] = Index(store, SingleFlight(file.parent / "locks"))
                if len(self._files) > MAX_FILES:
                    self._files.popitem(last=False)  # closed when the last search in it has ended
            self._files.move_to_end(file)
            return self._files[file]

    def _of_object(self, perception: Perception) -> Index:
        if perception not in self._own:
            self._own[perception] = Index(EvidenceStore(), SingleFlight(None))
        return self._own[perception]

    def _of_set(self, keys: Sequence[str]) -> Index:
        digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
        if digest not in self._sets:
            self._sets[digest] = Index(EvidenceStore(), SingleFlight(None))
            if len(self._sets) > MAX_SETS:
                self._sets.popitem(last=False)
        self._sets.move_to_end(digest)
        return self._sets[digest]


async def _add_missing(
    numbers: Sequence[int],
    perception: Indexable,
    videos: Sequence[VideoInfo],
    index: Index,
    allowance: Cost,
    outcome: Outcome,
) -> None:
    """Index missing videos, as far as the allowance goes, and remember where they are."""
    seen = cast(Perception, perception)
    entries = await _entries(numbers[:MOST_OPENED], seen, videos, outcome)
    await fill(entries, seen, index, allowance, outcome)
    outcome.beyond += numbers[MOST_OPENED:]
    for entry in entries:
        if entry.number in outcome.ids:
            await _remember_place(entry, perception, index)


async def _remember_place(entry: Entry, perception: Indexable, index: Index) -> None:
    """Record where an indexed video is, so that it is found there without opening it."""
    video = entry.info.video
    try:
        stamp = await perception.reference_stamp(video)
    except VideoError:  # it was removed meanwhile
        return
    reference, place = await asyncio.to_thread(lambda: (reference_of(video, perception), place_of(video)))
    await index.link(reference, place, stamp, entry.key)


async def _changed(
    linked: dict[int, Link], perception: Indexable, videos: Sequence[VideoInfo], outcome: Outcome
) -> list[int]:
    """Return the videos whose files are not those that were indexed."""
    changed: list[int] = []
    for number, link in linked.items():
        try:
            same = await perception.reference_stamp(_reference(number, videos)) == link.stamp
        except VideoError as error:
            outcome.failed(number, error)
        else:
            if same:
                continue
            outcome.problems[number] = CHANGED
        changed.append(number)
    return changed


def _found(windows: Sequence[tuple[int, FoundWindow]], outcome: Outcome) -> Found:
    problems = tuple(sorted(outcome.problems.items()))
    return Found(tuple(windows), outcome.cost, tuple(sorted(outcome.beyond)), problems, outcome.note)


async def _entries(
    numbers: Iterable[int], perception: Perception, videos: Sequence[VideoInfo], outcome: Outcome
) -> list[Entry]:
    """Return the videos with their keys, opened where they are not yet; those that cannot be read are failures."""
    opened = {info.number: info for info in opened_of(videos)}

    async def entry(number: int) -> Entry | None:
        try:
            info = opened.get(number) or await perception.probe(_reference(number, videos), number)
            if not info.problem:
                return Entry(info, await key_of(info, perception))
            outcome.problems[number] = info.problem
        except (VideoError, InfrastructureError) as error:
            outcome.failed(number, error)
        return None

    found = await in_order(entry, list(numbers), PROBED_AT_ONCE)
    return [one for one in found if one is not None]


def _reference(number: int, videos: Sequence[VideoInfo]) -> Video:
    return videos.reference(number) if isinstance(videos, Sources) else videos[number - 1].video
