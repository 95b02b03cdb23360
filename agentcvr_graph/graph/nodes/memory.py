"""Long-term memory: keep evidence about videos in the graph's LangGraph store, for later questions.

With `CVRContext(remember=True)` and a graph that was compiled with a store, every observation is stored under the
videos that it is about. A later question on another thread starts with the stored evidence about its videos: the master
reads it in its brief and may cite it, at no cost. If the store has an index, observations that are most similar to the
question are preferred.

A video is identified by its address and the result of its probe, so a file that was replaced counts as a new video.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from langgraph.store.base import BaseStore

from agentcvr_graph.types import Cost, Evidence, Observation, VideoInfo, Window

RECALLED = 8
"""Largest number of stored observations of each video that a question starts with."""
ROOT = "agentcvr"


async def keep(store: BaseStore, observation: Observation, sources: Sequence[VideoInfo]) -> None:
    """Store an observation under each of its videos, without statements that compare videos."""
    for number in dict.fromkeys(window.video for window in observation.windows):
        part = _about(observation, number)
        info = next(source for source in sources if source.number == number)
        stored = part.model_dump(mode="json")
        text = " ".join(evidence.text for evidence in part.evidence)
        await store.aput(_namespace(info), _digest(part.model_dump_json()), {"observation": stored, "text": text})


async def recall(store: BaseStore, question: str, sources: Sequence[VideoInfo]) -> list[Observation]:
    """Return the stored observations of the videos, in order of video and time. They cost nothing again."""
    readable = [info for info in sources if not info.problem]
    found = await asyncio.gather(
        *(store.asearch(_namespace(info), query=question, limit=RECALLED) for info in readable)
    )
    known = [
        _renumbered(Observation.model_validate(item.value["observation"]), info.number)
        for info, items in zip(readable, found, strict=True)
        for item in items
    ]
    known.sort(key=lambda one: (one.windows[0].video, one.windows[0].start_s, one.modality))
    return [one.model_copy(update={"call_id": f"recalled_{n}"}) for n, one in enumerate(known)]


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
        Evidence(text=one.text, window=moved(one.window) if one.window else None) for one in observation.evidence
    ]
    windows = [moved(window) for window in observation.windows]
    return observation.model_copy(update={"windows": tuple(windows), "evidence": tuple(evidence)})


def _namespace(info: VideoInfo) -> tuple[str, str]:
    found: dict[str, Any] = info.model_dump(mode="json", exclude={"number", "problem"})
    return ROOT, _digest(repr(sorted(found.items())))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
