"""`make soak`: half an hour of concurrent runs with faults, then a check for leaked memory, files and processes.

Sixteen clients run scripted and live questions concurrently while the endpoint fails, clients disconnect and decoders
are killed (`faults.py`, `runs.py`). Memory and open files are measured twice while nothing runs: after a warm-up that
fills caches and imports libraries, and at the end. Memory is that of this process after the allocator has returned what
it can. glibc keeps an arena per thread, whose size varies by tens of megabytes; `make soak` allows one arena.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from agentcvr_graph.perception.factory import isolated_media
from tests.benchmarks.rows import Row, as_markdown, show
from tests.soak.faults import dying_decoders, unreliable
from tests.soak.runs import Kind, Tally, client, kinds
from tests.support.stub_endpoint import endpoint_process

WARM_UP = 0.1
"""Warm-up as a share of the duration; the start level is measured after it."""
TOLERANCE = 0.05


@dataclass(frozen=True)
class Level:
    """Memory and open files of this process while nothing runs."""

    memory_mb: float
    files: int


def main() -> None:
    """Run the soak test, print its figures, and exit with status 1 if one misses its target."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="default 30")
    parser.add_argument("--concurrency", type=int, default=16, help="clients, default 16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    arguments = parser.parse_args()
    with endpoint_process(unreliable) as url:
        rows = asyncio.run(soak(url, 60 * arguments.minutes, arguments.concurrency, arguments.seed))
    show(rows)
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(rows))
    sys.exit(any(row.met is False for row in rows))


async def soak(url: str, seconds: float, concurrency: int, seed: int) -> list[Row]:
    """Run the soak test and return the rows of its table."""
    others = _children()  # the endpoint and the helper processes that start it
    media = isolated_media()
    of = kinds(url, media)
    tally = Tally()
    try:
        killed = await _busy(of, tally, WARM_UP * seconds, concurrency, seed, "warming up")
        start = await _at_rest()
        killed += await _busy(of, tally, (1 - WARM_UP) * seconds, concurrency, seed + 1, "soaking")
        end = await _at_rest()
    finally:
        await asyncio.to_thread(media.close)
    return [
        *_of_runs(tally, seconds, concurrency),
        *_of_levels(start, end),
        *_of_processes(killed, len(_children() - others)),
    ]


async def _busy(of: dict[str, Kind], tally: Tally, seconds: float, concurrency: int, seed: int, what: str) -> int:
    """Run clients and faults for `seconds`; return how many decoders were killed."""
    until_s = time.monotonic() + seconds
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=seconds)

        async def show_progress() -> None:
            progress.update(
                task, completed=seconds - (until_s - time.monotonic()), description=f"{what}: {tally.runs} runs"
            )

        async with dying_decoders(seed, until_s) as killed, asyncio.TaskGroup() as group:
            for number in range(concurrency):
                rng = random.Random(f"{seed} {number}")
                group.create_task(client(of, tally, rng, lambda: time.monotonic() < until_s, show_progress))
    return len(killed)


async def _at_rest() -> Level:
    """Measure memory and open files while nothing runs."""
    await asyncio.sleep(2)  # until connections are closed
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    me = psutil.Process()
    return Level(me.memory_info().rss / 2**20, me.num_fds())


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _of_runs(tally: Tally, seconds: float, concurrency: int) -> list[Row]:
    runs = f"{tally.runs} runs in {seconds / 60:g} min, {concurrency} at a time"
    rows = [Row(runs, f"{len(tally.unexpected)} unexpected ends", "none", not tally.unexpected)]
    for kind in sorted({kind for kind, _ in tally.ends}):
        ends = {end: count for (of, end), count in sorted(tally.ends.items()) if of == kind}
        rows.append(Row(f"{kind}: {sum(ends.values())}", ", ".join(f"{end} {count}" for end, count in ends.items())))
    return rows + [Row("unexpected", line) for line in sorted(set(tally.unexpected))[:10]]


def _of_levels(start: Level, end: Level) -> list[Row]:
    memory, files = end.memory_mb / start.memory_mb, end.files / start.files
    return [
        Row("memory at rest", f"{start.memory_mb:.0f} -> {end.memory_mb:.0f} MB", "+5 %", memory <= 1 + TOLERANCE),
        Row("open files at rest", f"{start.files} -> {end.files}", "+5 %", files <= 1 + TOLERANCE),
    ]


def _of_processes(killed: int, left: int) -> list[Row]:
    return [
        Row("decoders killed", str(killed)),
        Row("processes left over at the end", str(left), "none", left == 0),
    ]


if __name__ == "__main__":
    main()
