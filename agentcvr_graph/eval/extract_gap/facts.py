"""How much of a true script extraction finds, and how much of what it finds is true, fact by fact.

Each scene of one script is looked at and listened to in swap mode, and its facts are looked up in what the other
script says of the same time (`eval/sim_gap/facts.py`): the true script's in the extracted one (found), and the other
way round (true).
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.eval.sim_gap.facts import FACT_KINDS, FactKind, FactMatch, match_facts
from agentcvr_graph.perception.noise import CLEAR
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Origin, Script, ScriptedVideo
from agentcvr_graph.types import Listen, Observation, Observe, Target, VideoInfo, Window

CLOSE_S = 1.0
"""Seconds between two frames of a look at a scene: close enough for the direction of a movement."""


@dataclass(frozen=True)
class FactRow:
    """One kind of fact in all videos."""

    kind: FactKind
    count: int
    """Facts of the true scripts."""
    found: float
    """Share of them that the extracted scripts have."""
    exact: float
    """Share of them without a wrong letter or word, or with the right direction."""
    extracted: int
    """Facts of the extracted scripts."""
    true: float
    """Share of them that the true scripts have."""
    shift_s: float | None = None
    """Median distance of the ends of speech from the true ones."""


async def compare_videos(videos: Sequence[tuple[ScriptedVideo, ScriptedVideo]]) -> list[FactRow]:
    """Return one row for each kind of fact that occurs.

    Args:
        videos: each true video with the extracted one.
    """
    found: list[FactMatch] = []
    right: list[FactMatch] = []
    for true, extracted in videos:
        await asyncio.sleep(0)  # nothing below waits, so a run could not be cancelled here
        found += await _looked_up(true, extracted)
        right += await _looked_up(extracted, true)
    rows = [
        _row(kind, [m for m in found if m.kind == kind], [m for m in right if m.kind == kind]) for kind in FACT_KINDS
    ]
    return [row for row in rows if row.count or row.extracted]


async def _looked_up(one: ScriptedVideo, other: ScriptedVideo) -> list[FactMatch]:
    """Look up the facts of each scene of one video in the other."""
    ours, theirs = await _Watched.of(one), await _Watched.of(other)
    found: list[FactMatch] = []
    for scene in one.scenes:
        window = Window(video=1, start_s=scene.start_s, end_s=min(scene.end_s, other.duration_s, one.duration_s))
        if window.end_s > window.start_s:
            found += match_facts(await ours.seen(window), await theirs.seen(window))
    whole = Window(video=1, start_s=0.0, end_s=min(one.duration_s, other.duration_s))
    return found + match_facts(await ours.heard(whole), await theirs.heard(whole))


@dataclass(frozen=True)
class _Watched:
    """A video of a script, as swap mode perceives it."""

    perception: ScriptedPerception
    infos: Sequence[VideoInfo]

    @classmethod
    async def of(cls, video: ScriptedVideo) -> _Watched:
        script = Script(
            id="v", task="CC", question="?", kind="text", key="-", videos=(video,), origin=Origin(generator="facts")
        )
        perception = ScriptedPerception(ScriptLibrary.of([script]), CLEAR)
        return cls(perception, [await perception.probe(script.video(1), 1)])

    async def seen(self, window: Window) -> Observation:
        frames = max(2, math.ceil(window.duration_s / CLOSE_S))
        return await self.perception.observe(
            Observe(targets=(Target(**window.model_dump(), frames=frames),)), self.infos
        )

    async def heard(self, window: Window) -> Observation:
        return await self.perception.listen(Listen(window=window), self.infos)


def _row(kind: FactKind, found: Sequence[FactMatch], right: Sequence[FactMatch]) -> FactRow:
    shifts_s = [abs(shift_s) for one in found if one.shift_s for shift_s in one.shift_s]
    return FactRow(
        kind=kind,
        count=len(found),
        found=_share([one.seen for one in found]),
        exact=_share([one.exact for one in found]),
        extracted=len(right),
        true=_share([one.seen for one in right]),
        shift_s=round(statistics.median(shifts_s), 3) if shifts_s else None,
    )


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
