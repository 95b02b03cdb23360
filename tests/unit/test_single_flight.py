"""Identical work is done once: in a loop, between loops, and between processes; failures and crashes block nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agentcvr_graph.utils.single_flight import SingleFlight


class Work:
    """Work that waits until it may finish, and stores its result."""

    def __init__(self) -> None:
        self.count = 0
        self.started, self.may_finish = asyncio.Event(), asyncio.Event()
        self.result: str | None = None
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.count += 1
        self.started.set()
        await self.may_finish.wait()
        if self.error:
            raise self.error
        self.result = "done"
        return self.result

    async def stored(self) -> str | None:
        return self.result


@pytest.fixture
def flights(tmp_path: Path) -> SingleFlight[str]:
    return SingleFlight(tmp_path / "locks")


async def test_callers_at_the_same_time_share_one_result_and_leave_no_lock_file(
    flights: SingleFlight[str], tmp_path: Path
):
    work = Work()
    callers = [asyncio.create_task(flights.run("key", work.stored, work)) for _ in range(50)]
    await work.started.wait()
    work.may_finish.set()
    assert await asyncio.gather(*callers) == ["done"] * 50
    assert work.count == 1
    assert list((tmp_path / "locks").iterdir()) == []


async def test_a_cancelled_caller_cancels_no_other(flights: SingleFlight[str]):
    work = Work()
    first = asyncio.create_task(flights.run("key", work.stored, work))
    await work.started.wait()
    second = asyncio.create_task(flights.run("key", work.stored, work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.may_finish.set()
    assert await second == "done"
    assert work.count == 1


async def test_work_is_cancelled_with_its_last_caller_and_starts_again_for_the_next(flights: SingleFlight[str]):
    abandoned, work = Work(), Work()
    caller = asyncio.create_task(flights.run("key", abandoned.stored, abandoned))
    await abandoned.started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    work.may_finish.set()
    assert await flights.run("key", work.stored, work) == "done"
    assert abandoned.result is None


async def test_a_failure_reaches_all_that_wait_and_is_not_kept(flights: SingleFlight[str]):
    work = Work()
    work.error = ValueError("no")
    callers = [asyncio.create_task(flights.run("key", work.stored, work)) for _ in range(3)]
    await work.started.wait()
    work.may_finish.set()
    assert [str(found) for found in await asyncio.gather(*callers, return_exceptions=True)] == ["no"] * 3
    work.error = None
    assert await flights.run("key", work.stored, work) == "done"


async def test_other_keys_do_not_wait(flights: SingleFlight[str]):
    slow, quick = Work(), Work()
    quick.may_finish.set()
    waiting = asyncio.create_task(flights.run("slow", slow.stored, slow))
    await slow.started.wait()
    assert await flights.run("quick", quick.stored, quick) == "done"
    slow.may_finish.set()
    await waiting


async def test_another_holder_of_the_lock_works_first_and_its_result_is_used(tmp_path: Path):
    one, other = SingleFlight[str](tmp_path), SingleFlight[str](tmp_path)  # as in two processes
    work = Work()
    first = asyncio.create_task(one.run("key", work.stored, work))
    await work.started.wait()
    second = asyncio.create_task(other.run("key", work.stored, work))
    await asyncio.sleep(0)
    work.may_finish.set()
    assert await asyncio.gather(first, second) == ["done", "done"]
    assert work.count == 1


CRASH = """
import asyncio, os, sys
from pathlib import Path
from agentcvr_graph.utils.single_flight import SingleFlight

async def nothing():
    return None

async def die():
    os._exit(9)

asyncio.run(SingleFlight(Path(sys.argv[1])).run("key", nothing, die))
"""


async def test_the_lock_of_a_crashed_process_blocks_nobody(flights: SingleFlight[str], tmp_path: Path):
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", CRASH, str(tmp_path / "locks")], check=False)
    assert done.returncode == 9
    assert len(list((tmp_path / "locks").iterdir())) == 1
    work = Work()
    work.may_finish.set()
    assert await flights.run("key", work.stored, work) == "done"


async def test_a_folder_that_refuses_files_does_not_fail_the_work(tmp_path: Path):
    (tmp_path / "file").write_text("")
    work = Work()
    work.may_finish.set()
    assert await SingleFlight[str](tmp_path / "file").run("key", work.stored, work) == "done"
