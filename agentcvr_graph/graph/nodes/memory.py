"""Long-term memory: keep evidence about videos in the graph's LangGraph store, for later questions.

With `CVRContext(remember=True)` and a graph that was compiled with a store, every observation is stored under the
videos that it is about. A later question on another thread starts with the stored evidence about its videos: the master
reads it in its brief and may cite it, at no cost. If the store has an index, observations that are most similar to the
question are preferred. `memory_namespace` keeps the evidence of one group of runs, such as one user's, apart from all
others.

A video is identified by its address and the result of its probe, so a file that was replaced counts as a new video.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.types import Cost, Observation, VideoInfo, Window

RECALLED = 8
"""Largest number of stored observations of each video that a question starts with."""
ROOT = "agentcvr"
SHARED = "shared"
"""Namespace of runs that choose none."""


@dataclass(frozen=True)
class Memory:
    """The part of a store that one run reads and writes."""

    store: BaseStore
    namespace: tuple[str, ...]

    async def keep(self, observation: Observation, sources: Sequence[VideoInfo]) -> None:
        """Store an observation under each of its videos, without statements that compare videos."""
        known = {info.number: info for info in sources}
        for number in dict.fromkeys(window.video for window in observation.windows):
            part = _about(observation, number)
            info = known[number]
            stored = {"observation": part.model_dump(mode="json"), "text": _text(part)}
            # The index holds the words alone: times and names of models would make unlike observations alike.
            await self.store.aput(self._place(info), _digest(part.model_dump_json()), stored, index=["text"])

    async def recall(self, question: str, sources: Sequence[VideoInfo]) -> list[Observation]:
        """Return the stored observations of the videos, in order of video and time. They cost nothing again."""
        readable = [info for info in sources if not info.problem]
        found = await asyncio.gather(
            *(self.store.asearch(self._place(info), query=question, limit=RECALLED) for info in readable)
        )
        known = [
            _renumbered(Observation.model_validate(item.value["observation"]), info.number)
            for info, items in zip(readable, found, strict=True)
            for item in items
        ]
        known.sort(key=lambda one: (one.windows[0].video, one.windows[0].start_s, one.modality))
        return [one.model_copy(update={"call_id": f"recalled_{n}"}) for n, one in enumerate(known)]

    def _place(self, info: VideoInfo) -> tuple[str, ...]:
        found: dict[str, Any] = info.model_dump(mode="json", exclude={"number", "problem"})
        return *self.namespace, _digest(repr(sorted(found.items())))


def memory_of(runtime: Runtime[CVRContext], context: CVRContext) -> Memory | None:
    """Return the memory of a run, or None if the graph has no store or the run does not want one.

    The user that a server authenticated is part of the namespace, so a client cannot name its way into the memory of
    another user.
    """
    if runtime.store is None or not context.remember:
        return None
    return Memory(runtime.store, (ROOT, *_owner(runtime), context.memory_namespace or SHARED))


def index_namespace(runtime: Runtime[CVRContext], context: CVRContext) -> str:
    """Return the namespace of the index that a run searches; empty for the one that is shared."""
    return "-".join([*_owner(runtime), *filter(None, [context.memory_namespace])])


def _owner(runtime: Runtime[CVRContext]) -> tuple[str, ...]:
    """Return the part of a namespace that belongs to the user that a server authenticated; empty without one."""
    user = runtime.server_info.user if runtime.server_info is not None else None
    return (f"user-{_digest(user.identity)}",) if user is not None else ()


def _text(observation: Observation) -> str:
    return " ".join(evidence.text for evidence in observation.evidence)


def _about(observation: Observation, number: int) -> Observation:
    """Return the part of an observation that is about one video, renumbered as video 1."""
    places = [n for n, window in enumerate(observation.windows) if window.video == number]
    times = observation.frame_times_s
    part = observation.model_copy(
        update={
            "windows": tuple(observation.windows[n] for n in places),
            "frame_times_s": tuple(times[n] for n in places) if times else (),
            "evidence": tuple(one for one in observation.evidence if one.window and one.window.video == number),
            "cost": Cost(),
            "turn": 0,
            "call_id": "",
        }
    )
    return _renumbered(part, 1)


def _renumbered(observation: Observation, number: int) -> Observation:
    def moved(window: Window) -> Window:
        return window.model_copy(update={"video": number})

    evidence = [
        one.model_copy(update={"window": moved(one.window)}) if one.window else one for one in observation.evidence
    ]
    windows = [moved(window) for window in observation.windows]
    return observation.model_copy(update={"windows": tuple(windows), "evidence": tuple(evidence)})


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
