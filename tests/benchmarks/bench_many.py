"""Many identical questions at a time, with cold caches, against one: in one program, and in several programs.

Each measurement is a fresh program with an empty cache, so that all load the same models. Times in turn, and the ratio
of processor times, which does not depend on what else the machine does.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.benchmarks.rows import Row

AT_A_TIME, PROGRAMS = 50, 3
PROGRAM = """
import asyncio, sys
from agentcvr_graph import create_cvr_graph
from agentcvr_graph.demo import demo_videos
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.factory import resolve_perception

async def main():
    graph = create_cvr_graph(resolve_chat_model("offline"), resolve_perception()).compile()
    given = {"question": "When does the cook add salt and say olive oil?", "videos": demo_videos()[2:3], "kind": "text"}
    outputs = await asyncio.gather(*(graph.ainvoke(given) for _ in range(int(sys.argv[1]))))
    assert len({output["answer"].text for output in outputs}) == 1

asyncio.run(main())
"""


class Taken(NamedTuple):
    """What programs took, in seconds."""

    wall_s: float
    processor_s: float


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    one, many, several = measured(1, 1), measured(1, AT_A_TIME), measured(PROGRAMS, 1)
    yield Row("one cold question, one clip of 36 s", f"{one.wall_s:.1f} s, {one.processor_s:.1f} s of processor time")
    yield _row(f"{AT_A_TIME} identical ones at a time", many, one, 2.0)
    yield _row(f"the same question in {PROGRAMS} programs at a time", several, one, 2.0)


def measured(programs: int, at_a_time: int) -> Taken:
    """Run programs at the same time, which share an empty cache, and return what they took together."""
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"AGENTCVR_CACHE_DIR": cache}
        before_s, start_s = _processor_s(), time.perf_counter()
        command = [sys.executable, "-c", PROGRAM, str(at_a_time)]
        started = [subprocess.Popen(command, env=env) for _ in range(programs)]
        if any(program.wait() for program in started):
            raise RuntimeError("A program failed; see its output above.")
        return Taken(time.perf_counter() - start_s, _processor_s() - before_s)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(what: str, taken: Taken, one: Taken, most: float) -> Row:
    times, work = taken.wall_s / one.wall_s, taken.processor_s / one.processor_s
    return Row(what, f"{times:.2f} times one, {work:.2f} times its work", f"<= {most:g} times", times <= most)
