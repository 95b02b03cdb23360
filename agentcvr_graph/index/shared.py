"""The index of a server: a LangGraph store holds it for all processes, and each mirrors what it searches.

A store keeps documents and, where it has an index, compares meanings; it does not rank words. So it holds three kinds
of items, in namespaces of the user: a document for each video with all of its statements, an item for each text of a
video, which the store may embed, and an item for each reference, which leads to a document. The document is written
last: what has none is not indexed. A process that is asked about videos copies their documents into a temporary file of
SQLite, once, and ranks words there as ever. Meanings are compared by the store, and words and meaning count together.

The mirror belongs to one store and one process and ends with it, so it cannot outlive what it shows, or mix two
stores. Nothing is ever copied from a mirror, or from the index of the cache folder, into a store: a video is written
when it is indexed. Two machines that index the same video at the same time write the same items.

A store embeds texts while they are written. If that fails, the video is not indexed, and the next search tries again;
what was perceived of it is in the media cache by then. How scores are scaled depends on the store, so only ranks count.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from langgraph.store.base import BaseStore, GetOp, Item, Op, PutOp, SearchItem, SearchOp

from agentcvr_graph.errors import InfrastructureError, SetupError
from agentcvr_graph.index.building import Index
from agentcvr_graph.index.finder import Finder
from agentcvr_graph.index.meaning import QUERY_S, Meant
from agentcvr_graph.index.places import current_place, label
from agentcvr_graph.index.store import TEMPORARY, Addition, EvidenceStore, Hit, Link, Statement
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.types import Modality
from agentcvr_graph.utils.single_flight import SingleFlight

T = TypeVar("T")
ROOT = "agentcvr-index"
NEAREST = 0.4
"""Similarity that the best statement of a store is taken for; the second has a half of it, the third a third."""
SHARED = "shared"
"""Namespace of runs that choose none."""
READ_AT_ONCE = 200
WRITTEN_AT_ONCE = 100
MIRROR_S = 20.0
"""Longest time that one search copies documents of videos it knows by reference, in seconds."""
APART = 32
"""Most videos whose texts the store searches one video at a time; of more it searches all of the user's texts."""
MOST_COMPARED = 4096
"""Most texts of a user that are looked through for those of the videos that are searched."""
MAX_MIRRORS = 32
"""Mirrors that one process keeps of a store."""


class StoredIndex:
    """The part of a store that holds the index of one user.

    Args:
        namespace: of the user; empty for the shared one.
    """

    def __init__(self, store: BaseStore, namespace: str) -> None:
        self._store = store
        self._root = (ROOT, label(namespace) if namespace else SHARED)

    async def documents(self, keys: Iterable[str]) -> list[Addition]:
        """Return the videos with these keys that are in the store."""
        found = [self._get("videos", digest_of(key)) for key in keys]
        return [_addition(item.value) for item in await self._items(found)]

    async def links(self, references: Iterable[str]) -> list[dict[str, str]]:
        """Return what is known of these references: `reference`, `place`, `stamp`, and the `key` of the video."""
        return [item.value for item in await self._items([self._get("places", digest_of(one)) for one in references])]

    async def keep(self, one: Addition) -> None:
        """Write a video: its texts, then its document."""
        # One sense at a time: InMemoryStore refuses equal texts in one call.
        for modality in sorted({said.modality for said in one.statements}):
            texts = _texts(said for said in one.statements if said.modality == modality)
            puts = [self._text(digest_of(one.key), modality, text, places) for text, places in texts.items()]
            for portion in _portions(puts, WRITTEN_AT_ONCE):
                await self._batch(portion)
        await self._batch([PutOp((*self._root, "videos"), digest_of(one.key), _document(one), index=False)])

    async def link(self, reference: str, place: str, stamp: str, key: str) -> None:
        """Write which video a reference leads to."""
        value = {"reference": reference, "place": place, "stamp": stamp, "key": key}
        await self._batch([PutOp((*self._root, "places"), digest_of(reference), value, index=False)])

    async def unlink(self, references: Iterable[str]) -> None:
        """Remove references."""
        await self._batch([PutOp((*self._root, "places"), digest_of(one), None) for one in references])

    async def similar(
        self, query: str, videos: Mapping[str, int], modality: Modality | None, limit: int
    ) -> list[tuple[int, Statement]]:
        """Return the statements that the store finds most similar to a query; none if it compares no meanings.

        Args:
            videos: ids by digest of the key.
        """
        wanted = {"modality": modality} if modality else None
        places = list(videos) if len(videos) <= APART else [None]
        most = limit if len(videos) <= APART else 4 * limit
        while True:
            ops = [self._search(place, query, wanted, most) for place in places]
            found: list[SearchItem] = [item for items in await self._batch(ops) for item in items]
            scored = [item for item in found if item.score is not None and item.namespace[-1] in videos]
            if len(scored) >= limit or places != [None] or len(found) < most or most >= MOST_COMPARED:
                break
            most *= 4
        scored.sort(key=lambda item: -(item.score or 0.0))
        return [(videos[item.namespace[-1]], said) for item in scored[:limit] for said in _said(item.value)]

    def _get(self, kind: str, key: str) -> GetOp:
        return GetOp((*self._root, kind), key)

    def _search(self, digest: str | None, query: str, wanted: dict[str, Any] | None, limit: int) -> SearchOp:
        place = (*self._root, "texts", *([digest] if digest else []))
        return SearchOp(place, filter=wanted, limit=limit, query=query)

    def _text(self, digest: str, modality: str, text: str, places: list[list[float]]) -> PutOp:
        value = {"modality": modality, "text": text, "places": places}
        return PutOp((*self._root, "texts", digest), digest_of(f"{modality}|{text}"), value, index=["text"])

    async def _items(self, ops: Sequence[GetOp]) -> list[Item]:
        found = [await self._batch(portion) for portion in _portions(ops, READ_AT_ONCE)]
        return [item for items in found for item in items if item is not None]

    async def _batch(self, ops: Iterable[Op]) -> list[Any]:
        """Carry out operations.

        Raises:
            InfrastructureError: the store failed, or the model by which it embeds texts.
        """
        try:
            return await self._store.abatch(list(ops))
        except Exception as error:
            failure = as_infrastructure_error(error, "The store of the graph")
            raise failure if isinstance(failure, InfrastructureError) else InfrastructureError(str(failure)) from error


class SharedIndex(Index):
    """The mirror of what a store holds for one user; what is added is written into the store first."""

    def __init__(self, stored: StoredIndex, locks: Path) -> None:
        super().__init__(EvidenceStore(TEMPORARY), SingleFlight(locks))
        self.stored = stored

    async def known(self, keys: Collection[str]) -> dict[str, int]:
        """Return the ids of those keys that are in the store; mirror them."""
        here = await super().known(keys)
        found = await self.stored.documents(key for key in keys if key not in here)
        if not found:
            return here
        await asyncio.to_thread(self.store.add_all, found)
        return await super().known(keys)

    async def add(self, addition: Addition) -> None:
        """Add a video, for all processes."""
        await self.stored.keep(addition)
        await super().add(addition)

    async def link(self, reference: str, place: str, stamp: str, key: str) -> None:
        """Record where a video is, for all processes."""
        await self.stored.link(reference, place, stamp, key)
        await super().link(reference, place, stamp, key)

    async def unlink(self, references: Collection[str]) -> None:
        """Remove links, as of files that have changed."""
        await self.stored.unlink(references)
        await super().unlink(references)

    async def links(self, references: Collection[str]) -> Mapping[str, Link]:
        """Return the links of references; mirror those that this process has not seen yet, for a limited time."""
        here = await super().links(references)
        until_s = time.monotonic() + MIRROR_S
        for portion in _portions([one for one in references if one not in here], READ_AT_ONCE):
            found = await self.stored.links(portion)
            known = await self.known(list(dict.fromkeys(one["key"] for one in found)))
            await asyncio.to_thread(self.store.link_all, list(_rows(found, known)))
            if time.monotonic() > until_s:
                break
        return await super().links(references)


class StoreMeaning:
    """Compares meanings by the index of the store."""

    async def search(
        self, query: str, index: Index, among: Collection[int], modality: Modality | None, limit: int, *, limited: bool
    ) -> Meant:
        """Return the most similar statements; none where the index is not in a store, or the store has none."""
        if not isinstance(index, SharedIndex):
            return Meant()
        keys = await asyncio.to_thread(index.store.keys, among)
        videos = {digest_of(key): video for video, key in keys.items()}
        try:
            async with asyncio.timeout(QUERY_S):
                found = await index.stored.similar(query, videos, modality, limit)
        except TimeoutError:
            return Meant(note="Only words were compared: the store of the graph did not answer in time.")
        except InfrastructureError as error:
            return Meant(note=f"Only words were compared: {error}")
        return Meant(tuple(Hit(video, said, NEAREST / rank) for rank, (video, said) in enumerate(found, start=1)))


class StoreFinder(Finder):
    """Searches the index that the store of the running graph holds."""

    def __init__(self) -> None:
        super().__init__(StoreMeaning())
        self._mirrors: WeakKeyDictionary[BaseStore, OrderedDict[str, SharedIndex]] = WeakKeyDictionary()
        self._mirrors_lock = threading.Lock()

    async def index_in(self, folder: Path) -> Index:
        """Return the index of the current run; only the locks of work in progress are in the folder.

        Raises:
            SetupError: the graph has no store.
        """
        namespace, store = current_place()
        if store is None:
            raise SetupError(
                "The feature find=store needs a graph with a store.",
                fix="Compile the graph with `store=...`, or turn on `find` without a value.",
            )
        return await asyncio.to_thread(self._mirror, store, namespace, folder / "locks")

    def _mirror(self, store: BaseStore, namespace: str, locks: Path) -> SharedIndex:
        with self._mirrors_lock:
            mirrors = self._mirrors.setdefault(store, OrderedDict())
            if namespace not in mirrors:
                mirrors[namespace] = SharedIndex(StoredIndex(store, namespace), locks)
            mirrors.move_to_end(namespace)
            if len(mirrors) > MAX_MIRRORS:
                mirrors.popitem(last=False)
            return mirrors[namespace]


def digest_of(text: str) -> str:
    """Return a short name of a key or a reference, which may contain characters that a store refuses."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _document(one: Addition) -> dict[str, Any]:
    said = [[said.modality, said.start_s, said.end_s, said.text] for said in one.statements]
    return {"key": one.key, "title": one.title, "duration_s": one.duration_s, "statements": said}


def _addition(value: Mapping[str, Any]) -> Addition:
    return Addition(
        value["key"], tuple(Statement(*said) for said in value["statements"]), value["title"], value["duration_s"]
    )


def _rows(links: Iterable[Mapping[str, str]], known: Mapping[str, int]) -> Iterator[tuple[str, str, str, int]]:
    for one in links:
        if (video := known.get(one["key"])) is not None:
            yield one["reference"], one["place"], one["stamp"], video


def _texts(statements: Iterable[Statement]) -> dict[str, list[list[float]]]:
    """Return the times at which each text stands."""
    times: dict[str, list[list[float]]] = {}
    for said in statements:
        times.setdefault(said.text, []).append([said.start_s, said.end_s])
    return times


def _said(value: Mapping[str, Any]) -> Iterator[Statement]:
    for start_s, end_s in value["places"]:
        yield Statement(value["modality"], start_s, end_s, value["text"])


def _portions(items: Sequence[T], count: int) -> list[Sequence[T]]:
    return [items[start : start + count] for start in range(0, len(items), count)]
