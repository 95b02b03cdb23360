"""Evaluation: throughput over a slow endpoint, CPU time per question, and memory growth.

The endpoint is a stub in its own process that answers after half a second. The method is a single pass over one small
clip with two frames per question. They are decoded once and then cached; decoding runs in other processes anyway.

- **Throughput**: 500 questions with 32 in flight, compared with the ideal of 500 / 32 rounds of half a second each, and
  with one question at a time.
- **Overhead**: CPU time of this process per question, for images, HTTP, scoring, and writing the row to disk.
- **Memory**: resident memory of this process after 1,000 and after 5,000 questions, in swap mode.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agentcvr_graph.eval import EvalConfig, evaluate_benchmark
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Question, Video
from tests.benchmarks.rows import Row, ratio
from tests.support.media_files import counting
from tests.support.stub_endpoint import Reply, endpoint_process

QUESTIONS, CONCURRENCY, DELAY_S = 500, 32, 0.5
ALONE = 12
"""Questions asked one at a time."""
MANY, FEW = 5000, 1000
WARM = 64


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    with tempfile.TemporaryDirectory() as place:
        yield from throughput(Path(place))
        yield from memory(Path(place))


def throughput(place: Path) -> Iterator[Row]:
    """Compare throughput with the ideal and with one question at a time; measure CPU time per question."""
    clip = counting(place / "clip.mp4", seconds=2)

    def ask(count: int, config: EvalConfig, out: Path, concurrency: int) -> float:
        started_s = time.perf_counter()
        asyncio.run(evaluate_benchmark(_questions(count, clip), config, out, concurrency=concurrency))
        return time.perf_counter() - started_s

    with endpoint_process(slowly) as url:
        config = EvalConfig(methods=("single-pass",), models=ModelStrings(vision=f"{url}#stub"), frames=2)
        ask(WARM, config, place / "warm", CONCURRENCY)
        cpu_s = time.process_time()
        taken_s = ask(QUESTIONS, config, place / "all", CONCURRENCY)
        cpu_s = time.process_time() - cpu_s
        ideal_s = QUESTIONS / CONCURRENCY * DELAY_S
        yield Row(
            f"{QUESTIONS} questions, {CONCURRENCY} at a time, an endpoint that takes {DELAY_S} s", f"{taken_s:.1f} s"
        )
        yield ratio("throughput against the ideal", ideal_s / taken_s, 0.9)
        alone_s = ask(ALONE, config, place / "alone", 1) / ALONE
    yield Row("throughput against one at a time", f"{alone_s * QUESTIONS / taken_s:.1f} times")
    each_s = cpu_s / QUESTIONS
    yield Row("CPU a question beside decoding", f"{1000 * each_s:.1f} ms", "<= 20 ms", each_s <= 0.02)


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
