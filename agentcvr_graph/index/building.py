"""Index videos that are missing: within an allowance, each once, and whatever fails is data.

The missing videos are taken in their order while their planned cost fits. A video is indexed under its key by whichever
run or process needs it first; others wait for it (`utils/single_flight.py`) and pay nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentcvr_graph.errors import CVRError, InfrastructureError, VideoError
from agentcvr_graph.index.overview import VERSION, Overview, overview_of, planned_cost
from agentcvr_graph.index.store import Addition, EvidenceStore, Link
from agentcvr_graph.perception.base import Indexable, Perception
from agentcvr_graph.types import Cost, Video, VideoInfo
from agentcvr_graph.utils.concurrency import in_order
from agentcvr_graph.utils.single_flight import SingleFlight

AT_ONCE = 4
"""Videos that are indexed at the same time by one search."""


class Index:
    """Where statements are kept, and the videos that are being indexed there.

    Whether other machines share it is known to this class alone and to its subclass in `shared.py`.
    """

    def __init__(self, store: EvidenceStore, flights: SingleFlight[bool]) -> None:
        self.store, self.flights = store, flights

    async def known(self, keys: Collection[str]) -> dict[str, int]:
        """Return the ids of those keys that are in the index."""
        return await asyncio.to_thread(self.store.known, keys)

    async def add(self, addition: Addition) -> None:
        """Add a video, if its key is not there."""
        await asyncio.to_thread(self.store.add_all, [addition])

    async def links(self, references: Collection[str]) -> Mapping[str, Link]:
        """Return the links of those references that have one, and of others."""
        return await asyncio.to_thread(self.store.links)

    async def link(self, reference: str, place: str, stamp: str, key: str) -> None:
        """Record which video a reference leads to, if that video is in the index."""
        known = await asyncio.to_thread(self.store.known, [key])
        if key in known:
            await asyncio.to_thread(self.store.link, reference, place, stamp, known[key])

    async def unlink(self, references: Collection[str]) -> None:
        """Remove links, as of files that have changed."""
        await asyncio.to_thread(self.store.unlink, references)


@dataclass(frozen=True)
class Entry:
    """A video with its key in the index."""

    info: VideoInfo
    key: str

    @property
    def number(self) -> int:
        return self.info.number


@dataclass
class Outcome:
    """What became of the videos of a search."""

    ids: dict[int, int] = field(default_factory=dict[int, int])
    """Ids in the index by number."""
    beyond: list[int] = field(default_factory=list[int])
    """Videos for which the allowance was too small."""
    problems: dict[int, str] = field(default_factory=dict[int, str])
    """Why videos could not be indexed."""
    cost: Cost = field(default_factory=Cost)
    note: str = ""
    """What was not compared by meaning, and why."""

    def failed(self, number: int, error: CVRError) -> None:
        """Record a video that could not be read."""
        self.problems[number] = error.problem if isinstance(error, VideoError) else str(error)


def reference_of(video: Video, perception: Indexable) -> str:
    """Return the reference under which the index knows where a video is."""
    return f"{VERSION}|{perception.reference_key(video)}"


def place_of(video: Video) -> str:
    """Return where a video is, for display: an absolute path or an address."""
    return video.source if "://" in video.source else str(Path(video.source).absolute())


async def key_of(info: VideoInfo, perception: Perception) -> str:
    """Return the key of a video: of its content where the perception knows it, else of what was probed.

    Raises:
        VideoError, InfrastructureError: the video can no longer be read.
    """
    if isinstance(perception, Indexable):
        return f"{VERSION}|{await perception.evidence_key(info)}"
    return info.model_copy(update={"number": 1}).model_dump_json()


async def fill(
    entries: Sequence[Entry], perception: Perception, index: Index, allowance: Cost, outcome: Outcome
) -> None:
    """Index those entries that are missing and whose planned cost fits into the allowance.

    Args:
        outcome: gets the ids, the cost and the failures.
    """
    known = await index.known([entry.key for entry in entries])
    outcome.ids |= {entry.number: known[entry.key] for entry in entries if entry.key in known}
    missing = [entry for entry in entries if entry.key not in known]
    chosen = _affordable(missing, allowance)
    outcome.beyond += [entry.number for entry in missing if entry not in chosen]

    async def build(entry: Entry) -> None:
        try:
            await add(entry, perception, index, outcome)
        except (InfrastructureError, VideoError) as error:
            outcome.failed(entry.number, error)

    await in_order(build, list({entry.key: entry for entry in chosen}.values()), AT_ONCE)
    made = await index.known([entry.key for entry in chosen])
    outcome.ids |= {entry.number: made[entry.key] for entry in chosen if entry.key in made}


async def fill_in_order(entries: Sequence[Entry], perception: Perception, index: Index, outcome: Outcome) -> None:
    """Index all entries at once in an index of their own, one after another, so that equal scores have one order.

    Args:
        outcome: gets the ids and the failures.
    """
    keys = [entry.key for entry in entries]

    async def stored() -> bool | None:
        return True if len(await asyncio.to_thread(index.store.known, keys)) == len(set(keys)) else None

    async def work() -> bool:
        made: list[Addition] = []
        for entry in entries:
            try:
                made.append(addition_of(entry, await overview_of(entry.info, perception)))
            except (InfrastructureError, VideoError) as error:
                outcome.failed(entry.number, error)
        await asyncio.to_thread(index.store.add_all, made)
        return True

    await index.flights.run("", stored, work)
    known = await asyncio.to_thread(index.store.known, keys)
    outcome.ids |= {entry.number: known[entry.key] for entry in entries if entry.key in known}


def addition_of(entry: Entry, overview: Overview) -> Addition:
    """Return what the store gets of a video."""
    return Addition(entry.key, overview.statements, entry.info.title, entry.info.duration_s)


def _affordable(entries: Iterable[Entry], allowance: Cost) -> list[Entry]:
    """Return the entries whose planned cost fits; the same video is paid once."""
    chosen: list[Entry] = []
    for entry in entries:
        planned = Cost() if any(entry.key == other.key for other in chosen) else planned_cost(entry.info)
        if planned.frames <= allowance.frames and planned.audio_s <= allowance.audio_s:
            allowance = Cost(frames=allowance.frames - planned.frames, audio_s=allowance.audio_s - planned.audio_s)
            chosen.append(entry)
    return chosen


async def add(entry: Entry, perception: Perception, index: Index, outcome: Outcome) -> None:
    """Index a video, unless another run does it meanwhile.

    Args:
        outcome: gets what it cost this run, also if it cannot be stored.

    Raises:
        InfrastructureError, VideoError: the video cannot be read, or the index cannot be written.
    """

    async def stored() -> bool | None:
        return True if await index.known([entry.key]) else None

    async def work() -> bool:
        overview = await overview_of(entry.info, perception)
        outcome.cost += overview.cost
        await index.add(addition_of(entry, overview))
        return True

    await index.flights.run(entry.key, stored, work)
