"""Search by meaning: compare the vector of a query with those of statements, made by an embeddings model.

Each thing that a statement says has a vector of its own, and a query is compared as a whole and by its clauses: a text
about several things is a little similar to each. Vectors are made when a search needs them, also for what was indexed
before, and kept in the index under the name of the model. One search makes vectors for a limited time and number of
statements; scripts have no such limit, so that what is found depends on nothing but the scripts. A model that fails
costs a search nothing but its vectors: the words are compared alone, and a note says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from langchain_core.embeddings import Embeddings

from agentcvr_graph.errors import CVRError
from agentcvr_graph.index.building import Index
from agentcvr_graph.index.store import EvidenceStore, Hit, Unvectored
from agentcvr_graph.index.vectors import Vector, require_numpy
from agentcvr_graph.index.words import clauses
from agentcvr_graph.models.clients.errors import as_infrastructure_error
from agentcvr_graph.render import read_picture
from agentcvr_graph.types import Modality

QUERY_S = 15.0
"""Longest wait for the vector of a query, in seconds."""
FILL_S = 20.0
"""Longest time that one search makes vectors of statements, in seconds."""
MOST_STATEMENTS = 8192
"""Largest number of statements for which one search makes vectors."""
TEXTS_PER_CALL = 128


@dataclass(frozen=True)
class Meant:
    """The result of a search by meaning."""

    hits: tuple[Hit, ...] = ()
    """The most similar statements, best first; the score is the cosine."""
    note: str = ""
    """What was not compared, and why."""


class Made(NamedTuple):
    """Vectors that were made and stored."""

    statements: int
    characters: int
    """Characters that were sent to the model for them."""
    planned: int
    """Statements that had no vectors when the work began."""


class ComparesMeaning(Protocol):
    """Finds the statements whose meaning is that of a query."""

    async def search(
        self, query: str, index: Index, among: Collection[int], modality: Modality | None, limit: int, *, limited: bool
    ) -> Meant:
        """Return the statements most similar to the query.

        Args:
            among: ids of the videos to search.
            limited: whether the search may leave out what takes long.

        Raises:
            InfrastructureError: the index cannot be used.
        """
        ...


class Meaning:
    """An embeddings model as searches use it.

    Args:
        embeddings: the model.
        name: names the model, and everything else that its vectors depend on.

    Raises:
        SetupError: NumPy is missing.
    """

    def __init__(self, embeddings: Embeddings, name: str) -> None:
        require_numpy()
        self._embeddings, self.name = embeddings, name

    async def search(
        self, query: str, index: Index, among: Collection[int], modality: Modality | None, limit: int, *, limited: bool
    ) -> Meant:
        """Return the statements most similar to the query: `ComparesMeaning.search`."""
        try:
            async with asyncio.timeout(QUERY_S):
                vectors = await self._of_query(query)
            left = await self._fill(index, among, limited)
        except TimeoutError:
            return Meant(note=f"Only words were compared: the embeddings model {self.name} did not answer in time.")
        except _ModelError as error:
            return Meant(note=f"Only words were compared: {error.failure}")
        found = await asyncio.to_thread(index.store.similar, self.name, vectors, among, modality=modality, limit=limit)
        return Meant(tuple(found), _left_note(left))

    async def complete(self, store: EvidenceStore, among: Collection[int]) -> AsyncGenerator[Made]:
        """Make all vectors that are missing; yield what was made as it is stored.

        Raises:
            CVRError: the model failed, or the index cannot be written.
        """
        try:
            async for made in self._made(store, among, None):
                yield made
        except _ModelError as error:
            raise error.failure from error

    async def _made(self, store: EvidenceStore, among: Collection[int], most: int | None) -> AsyncGenerator[Made]:
        found = await asyncio.to_thread(store.unvectored, self.name, among)
        for portion in _portions(found, len(found) if most is None else most):
            facts = [one._replace(text=fact) for one in portion for fact in facts_of(one)]
            texts = [one.text for one in facts]
            await asyncio.to_thread(store.add_vectors, self.name, facts, await self._vectors(texts))
            yield Made(len(portion), sum(map(len, dict.fromkeys(texts))), len(found))

    async def _fill(self, index: Index, among: Collection[int], limited: bool) -> int:
        """Make the vectors that are missing, as far as the limits go; return how many videos have none still."""
        missing = await asyncio.to_thread(index.store.without_vectors, self.name, among)
        if not missing:
            return 0

        async def stored() -> bool | None:
            left = await asyncio.to_thread(index.store.without_vectors, self.name, missing)
            return None if left else True

        async def work() -> bool:
            async for _ in self._made(index.store, missing, MOST_STATEMENTS if limited else None):
                pass
            return True

        try:
            async with asyncio.timeout(FILL_S if limited else None):
                await index.flights.run(f"{self.name} {missing}", stored, work)
        except TimeoutError:
            pass
        return len(await asyncio.to_thread(index.store.without_vectors, self.name, among))

    async def _of_query(self, query: str) -> list[Vector]:
        """Return the vectors of a query and of its clauses.

        Raises:
            _ModelError: the model failed.
        """
        parts = clauses(query)
        texts = [query, *parts] if len(parts) > 1 else [query]
        with self._errors():
            return [await self._embeddings.aembed_query(text) for text in texts]

    async def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text; equal texts are sent once.

        Raises:
            _ModelError: the model failed.
        """
        once = list(dict.fromkeys(texts))
        made: dict[str, Vector] = {}
        with self._errors():
            for start in range(0, len(once), TEXTS_PER_CALL):
                portion = once[start : start + TEXTS_PER_CALL]
                made |= zip(portion, await self._embeddings.aembed_documents(portion), strict=True)
        return [made[text] for text in texts]

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except TimeoutError:
            raise
        except Exception as error:
            raise _ModelError(as_infrastructure_error(error, f"The embeddings model {self.name}")) from error


def facts_of(said: Unvectored) -> list[str]:
    """Return what a statement says, each thing by itself: the description and each text of a picture, or the speech.

    Colours and motion are left out: nearly every picture has them.
    """
    if said.modality != "visual":
        return [said.text.strip('"') or said.text]
    description, lines, _, _ = read_picture(said.text)
    return [fact for fact in (description, *lines) if fact] or [said.text]


class _ModelError(Exception):
    """Raised when the embeddings model failed, as opposed to the index."""

    def __init__(self, failure: CVRError) -> None:
        super().__init__(str(failure))
        self.failure = failure


def _portions(statements: Sequence[Unvectored], most: int) -> Iterator[list[Unvectored]]:
    """Yield the statements of whole videos, a few videos at a time, until there were `most`."""
    portion: list[Unvectored] = []
    for place, one in enumerate(statements):
        new_video = bool(portion) and portion[-1].video != one.video
        if new_video and (len(portion) >= TEXTS_PER_CALL or place >= most):
            yield portion
            portion = []
        if new_video and place >= most:
            return
        portion.append(one)
    if portion:
        yield portion


def _left_note(left: int) -> str:
    if not left:
        return ""
    videos = "1 video was" if left == 1 else f"{left} videos were"
    return f"{videos} searched by words alone; the next search compares the meaning of more."
