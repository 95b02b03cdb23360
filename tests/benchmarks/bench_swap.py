"""Observations per second of the text simulator, and how the rate scales.

Scripts have 4 videos with 100 scenes each. The rate counts complete `observe` and `listen` calls; the requests are made
beforehand. Two ratios within one run show that the cost grows with the scenes in the window and not with the library:
the same request in a library a thousand times as large, and the same request in a video with ten times as many scenes.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary, script_json, write_scripts
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import Listen, Observe, Target, Window
from tests.benchmarks.rows import Row, ratio

CALLS = 4000
ROUNDS = 5
FRAMES = 8
WINDOW_S = 40.0
TARGET_PER_S = 20_000


def rows() -> Iterator[Row]:
    """Yield the rows of the simulator's rates, which are measured alternately, then those of opening a library."""
    yield from asyncio.run(_simulator())
    yield from _opening()


def script(scenes: int) -> Script:
    return make_script("CC", 0, LEVELS["normal"].with_settings({"scenes": scenes}))


async def _simulator() -> list[Row]:
    long, short = script(100), script(10)
    others = list(make_scripts({"PI": 1000}, 1))
    plain = await _Measured.open([long])
    perceptions = {
        "observe": plain,
        "listen": plain,
        "noisy": await _Measured.open([long], "fitted"),
        "crowded library": await _Measured.open([long, *others]),
        "short video": await _Measured.open([short], video=short),
    }
    times: dict[str, list[float]] = {name: [] for name in perceptions}
    for _ in range(ROUNDS):  # alternately, so that a slow phase of the machine affects all of them
        for name, one in perceptions.items():
            times[name].append(await (one.listen() if name == "listen" else one.observe()))
    best = {name: CALLS / statistics.median(found) for name, found in times.items()}
    mean = 2 / (1 / best["observe"] + 1 / best["listen"])
    return [
        Row("simulator: observe calls/s, 8 frames over 40 s", f"{best['observe']:,.0f}"),
        Row("simulator: listen calls/s, 40 s", f"{best['listen']:,.0f}"),
        Row("simulator: observations/s, half of each", f"{mean:,.0f}", f">= {TARGET_PER_S:,}", mean >= TARGET_PER_S),
        Row("simulator: observe calls/s with fitted noise", f"{best['noisy']:,.0f}"),
        ratio("rate in a library of 1,001 scripts against one of 1", best["crowded library"] / best["observe"], 0.9),
        ratio("rate in videos of 100 scenes against 10", best["observe"] / best["short video"], 0.8),
    ]


class _Measured:
    """A perception with its requests."""

    def __init__(self, perception: ScriptedPerception, infos: list) -> None:
        self._perception, self._infos = perception, infos
        starts = [(1 + n % len(infos), (7 * n) % max(1, int(infos[0].duration_s - WINDOW_S))) for n in range(CALLS)]
        windows = [Window(video=video, start_s=start, end_s=start + WINDOW_S) for video, start in starts]
        self._observes = [Observe(targets=(Target(**window.model_dump(), frames=FRAMES),)) for window in windows]
        self._listens = [Listen(window=window) for window in windows]

    @classmethod
    async def open(cls, scripts: list[Script], noise: str = "off", video: Script | None = None) -> _Measured:
        script = video or scripts[0]
        perception = ScriptedPerception(ScriptLibrary.of(scripts), noise)
        videos = script.as_question().videos
        return cls(perception, [await perception.probe(video, n) for n, video in enumerate(videos, start=1)])

    async def observe(self) -> float:
        started = time.perf_counter()
        for request in self._observes:
            await self._perception.observe(request, self._infos)
        return time.perf_counter() - started

    async def listen(self) -> float:
        started = time.perf_counter()
        for request in self._listens:
            await self._perception.listen(request, self._infos)
        return time.perf_counter() - started


def _opening() -> list[Row]:
    """Measure opening a library of 100,000 scripts and getting one; compare with parsing all (from a hundredth)."""
    line = script_json(make_script("PI", 0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.jsonl"
        with path.open("w") as file:
            for n in range(100_000):
                file.write(line.replace("pi-000000", f"pi-{n:06d}", 1) + "\n")
        megabytes = path.stat().st_size / 1e6
        started = time.perf_counter()
        ScriptLibrary(path).get("pi-099999")
        opened_s = time.perf_counter() - started
        few = Path(folder) / "few.jsonl"
        write_scripts((make_script("PI", n) for n in range(1000)), few)
        started = time.perf_counter()
        list(ScriptLibrary(few))
        parsed_s = 100 * (time.perf_counter() - started)
    return [
        Row(f"opening 100,000 scripts ({megabytes:.0f} MB) and getting one", f"{opened_s:.2f} s"),
        ratio("parsing them all, against that", parsed_s / opened_s, 5),
    ]
