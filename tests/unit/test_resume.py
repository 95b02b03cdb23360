"""A run that is killed goes on where it was, with the SQLite checkpointer, in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agentcvr_graph import create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, turn

CONFIG = {"configurable": {"thread_id": "killed"}}

CHILD = """
import asyncio, pathlib, sys
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from agentcvr_graph import create_cvr_graph
from agentcvr_graph.testing import FakeMaster, FakePerception, listen, observe, turn

class Hanging(FakePerception):
    async def listen(self, request, videos):
        pathlib.Path(sys.argv[2]).touch()
        await asyncio.sleep(600)

async def main():
    turns = [turn("", observe((1, 0, 9, 3), (2, 0, 9, 3))), turn("", listen(1, 0, 5, id="hangs"))]
    async with AsyncSqliteSaver.from_conn_string(sys.argv[1]) as saver:
        graph = create_cvr_graph(FakeMaster(turns=turns), Hanging()).compile(checkpointer=saver)
        given = {"question": "Which?", "videos": ["a.mp4", "b.mp4"], "options": ["x", "y"]}
        await graph.ainvoke(given, {"configurable": {"thread_id": "killed"}}, durability="sync")

asyncio.run(main())
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A database left behind by a process that was killed in the middle of its second turn."""
    database, reached = tmp_path / "runs.sqlite", tmp_path / "reached"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(database), str(reached)])
    deadline = time.monotonic() + 60
    while not reached.exists():
        assert child.poll() is None, "the child ended by itself"
        assert time.monotonic() < deadline, "the child never came to its second turn"
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return database


async def test_a_killed_run_goes_on_where_it_was(killed: Path):
    perception = FakePerception()
    master = FakeMaster(turns=[turn("", answer("B", id="end"))])
    async with AsyncSqliteSaver.from_conn_string(str(killed)) as saver:
        graph = create_cvr_graph(master, perception).compile(checkpointer=saver)
        output = await graph.ainvoke(None, CONFIG)
    assert output["answer"].value == "B"
    assert [type(request).__name__ for request in perception.requests] == ["Listen"]
    assert [observation.modality for observation in output["observations"]] == ["visual", "audio"]
    assert output["usage"].frames == 6
    assert output["usage"].model_calls == 3
    assert len(master.seen) == 1
