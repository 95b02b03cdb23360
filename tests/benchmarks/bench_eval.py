"""Evaluation: throughput over a slow endpoint, CPU time per question, and memory growth.

The endpoint is a stub in its own process that answers after half a second. The method is a single pass over one small
clip with two frames per question. They are decoded once and then cached; decoding runs in other processes anyway.

- **Throughput**: the evaluation and a bare loop alternate (`pairs.py`). The bare loop is the ideal on this machine at
  this moment: as many tasks post the same body to the same endpoint with the same HTTP client, and do nothing else. A
  busy machine slows both down. Each is timed from its first full round to its last result, so the start of the
  decoders, which happens once an evaluation, is a row of its own.
- **Overhead**: CPU time of this process per question, for images, HTTP, scoring, and writing the row to disk.
- **Memory**: resident memory of this process after 1,000 and after 5,000 questions, in swap mode.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentcvr_graph.eval import EvalConfig, evaluate_benchmark
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.runner import Totals
from agentcvr_graph.models.clients.openai_compatible import unpooled_client
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Question, Video
from tests.benchmarks.pairs import alternately
from tests.benchmarks.rows import Row
from tests.support.media_files import counting
from tests.support.stub_endpoint import Reply, StubEndpoint, endpoint_process

QUESTIONS, CONCURRENCY, DELAY_S = 192, 32, 0.5
PAIRS = 5
MANY, FEW = 5000, 1000


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    with tempfile.TemporaryDirectory() as place:
        yield from throughput(Path(place))
        yield from memory(Path(place))


def throughput(place: Path) -> Iterator[Row]:
    """Compare throughput with that of a bare loop; measure the start, and CPU time per question."""
    clip = counting(place / "clip.mp4", seconds=2)
    config = EvalConfig(methods=("single-pass",), frames=2)
    body = _recorded_body(clip, config, place / "recorded")
    runs = itertools.count()
    cpu_s, starts_s = list[float](), list[float]()

    with endpoint_process(slowly) as url:

        def evaluate() -> float:
            times = _Times()
            cpu = time.process_time()
            asyncio.run(_evaluate(clip, config, url, place / f"run{next(runs)}", on_progress=times.add))
            cpu_s.append(time.process_time() - cpu)
            starts_s.append(times.first_s - DELAY_S)
            return times.steady_s

        def bare() -> float:
            times = _Times()
            asyncio.run(_post_all(url, body, times.add))
            return times.steady_s

        measured = alternately(evaluate, bare, PAIRS, timed=lambda call: call())
    rate = (QUESTIONS - CONCURRENCY) / statistics.median(measured.ours_s)
    yield Row(f"questions/s, {CONCURRENCY} at a time, an endpoint that takes {DELAY_S} s", f"{rate:.0f}")
    yield measured.row("throughput against a bare loop of the same requests", 0.9)
    yield Row("start of an evaluation until its first question is sent", f"{statistics.median(starts_s):.1f} s")
    each_s = statistics.median(cpu_s) / QUESTIONS
    yield Row("CPU a question beside decoding", f"{1000 * each_s:.1f} ms", "<= 20 ms", each_s <= 0.02)


class _Times:
    """When results arrived, in seconds since this was made."""

    def __init__(self) -> None:
        self._started_s = time.perf_counter()
        self._at_s: list[float] = []

    def add(self, totals: Totals | None = None) -> None:
        """Note a result; an evaluation reports its totals once before the first one."""
        if totals is None or totals.done:
            self._at_s.append(time.perf_counter() - self._started_s)

    @property
    def first_s(self) -> float:
        return self._at_s[0]

    @property
    def steady_s(self) -> float:
        """Seconds from the end of the first round to the last result."""
        return self._at_s[-1] - self._at_s[CONCURRENCY - 1]


async def _evaluate(clip: Path, config: EvalConfig, url: str, out: Path, **options: Any) -> None:
    stub = replace(config, models=ModelStrings(vision=f"{url}#stub"))
    await evaluate_benchmark(_questions(QUESTIONS, clip), stub, out, concurrency=CONCURRENCY, **options)


def _recorded_body(clip: Path, config: EvalConfig, out: Path) -> bytes:
    """Return the body that the evaluation sends for a question."""
    with StubEndpoint() as endpoint:
        stub = replace(config, models=ModelStrings(vision=f"{endpoint.url}#stub"))
        asyncio.run(evaluate_benchmark(_questions(1, clip), stub, out))
    return json.dumps(endpoint.calls[0]).encode()


async def _post_all(url: str, body: bytes, on_reply: Callable[[], None]) -> None:
    """Post as many bodies as an evaluation has questions, with as many in flight and the client of a model."""
    left = iter(range(QUESTIONS))
    async with unpooled_client(60) as client:

        async def post() -> None:
            for _ in left:
                reply = await client.post(f"{url}/chat/completions", content=body)
                assert reply.json()["choices"]
                on_reply()

        await asyncio.gather(*(post() for _ in range(CONCURRENCY)))


def memory(place: Path) -> Iterator[Row]:
    """Measure the resident memory of this process after `FEW` and after `MANY` questions."""
    write_scripts((make_script("CC", seed) for seed in range(50)), place / "scripts.jsonl")
    config = EvalConfig(methods=("blind",), scripts=str(place / "scripts.jsonl"))
    questions = [make_script("CC", seed).as_question() for seed in range(50)]
    repeated = [questions[n % 50].model_copy(update={"id": f"q{n}"}) for n in range(MANY)]
    held: dict[int, float] = {}

    def on_progress(totals: object) -> None:
        done = getattr(totals, "done", 0)
        if done in (FEW, MANY):
            held[done] = _resident_mb()

    asyncio.run(
        evaluate_benchmark(
            Benchmark("many", tuple(repeated)), config, place / "many", concurrency=8, on_progress=on_progress
        )
    )
    grown = held[MANY] - held[FEW]
    yield Row(f"memory after {FEW:,} and {MANY:,} questions", f"{held[FEW]:.0f} MB, {held[MANY]:.0f} MB")
    yield Row("growth a thousand questions", f"{grown / (MANY - FEW) * 1000:.1f} MB", "<= 2 MB", grown <= 8)


def _questions(count: int, clip: Path) -> Benchmark:
    made = [
        Question(
            **{"id": f"q{n}", "question": "Which?", "options": ("x", "y"), "kind": "choice", "key": "A"},
            videos=(Video(source=str(clip)),),
        )
        for n in range(count)
    ]
    return Benchmark("stub", tuple(made))


def slowly(number: int, body: dict) -> Reply:
    """Answer after `DELAY_S` seconds."""
    return Reply(delay_s=DELAY_S)


def _resident_mb() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
