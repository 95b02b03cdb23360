"""Calls in worker processes: results, errors, deaths, cancellation, and places where no process can be started."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time

import pytest

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.utils import worker_processes
from agentcvr_graph.utils.worker_processes import run_in_own_worker, run_in_worker


async def test_a_call_returns_what_the_function_returns_and_raises_what_it_raises():
    assert await run_in_worker(divmod, 7, 2) == (3, 1)
    assert await run_in_worker(os.getpid) != os.getpid()
    with pytest.raises(ZeroDivisionError):
        await run_in_worker(divmod, 7, 0)


async def test_warnings_that_a_worker_logs_are_logged_here(caplog):
    await run_in_worker(logging.getLogger("agentcvr_graph.x").warning, "no GPU: %s", "libcublas")
    await run_in_worker(logging.getLogger("agentcvr_graph.x").info, "loaded")
    assert caplog.messages == ["no GPU: libcublas"]


async def test_a_call_that_kills_its_worker_fails_and_the_next_one_works():
    with pytest.raises(InfrastructureError, match="A worker process died, twice"):
        await run_in_own_worker(os._exit, 3)
    assert await run_in_own_worker(os.getpid)


async def test_a_cancelled_call_that_goes_on_for_long_is_killed():
    worker = await run_in_own_worker(time.time_ns) and await run_in_own_worker(os.getpid)
    pid = await of_sleepers()
    sleeping = asyncio.create_task(run_in_own_worker(time.sleep, 500))
    await asyncio.sleep(0.5)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert await of_sleepers() != pid
    assert await run_in_own_worker(os.getpid) == worker


async def test_a_cancelled_call_that_ends_soon_keeps_its_worker():
    pid = await of_sleepers()
    sleeping = asyncio.create_task(run_in_own_worker(time.sleep, 0.2))
    await asyncio.sleep(0.15)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert await of_sleepers() == pid


async def of_sleepers() -> int:
    """Return the id of the worker process that functions of `time` use."""
    pool = worker_processes._of_module(os.getpid(), time.__name__)
    return await pool.run(os.getpid)


@pytest.mark.parametrize("error", [OSError("no semaphores"), AssertionError("daemonic processes"), ImportError()])
async def test_without_processes_the_call_runs_in_a_thread_and_one_line_is_logged(monkeypatch, caplog, error):
    class NoPool:
        def __init__(self, **_):
            pass

        @property
        def active(self):
            raise error

    monkeypatch.setattr(worker_processes, "ProcessPool", NoPool)
    pool = worker_processes._OwnThreads(1)
    with caplog.at_level(logging.WARNING, "agentcvr_graph"):
        assert [await pool.run(os.getpid) for _ in range(2)] == [os.getpid()] * 2
    assert len(caplog.records) == 1
    assert "No worker process can be started here" in caplog.text


STARTED_EARLY = """
import time
from agentcvr_graph.utils.worker_processes import start_worker
start_worker(time.localtime)
start_worker(time.localtime)
start_worker(time.localtime)
"""


def test_a_program_that_ends_while_its_workers_start_ends_without_a_word():
    done = subprocess.run([sys.executable, "-c", STARTED_EARLY], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_a_worker_that_was_started_early_is_used():
    pool = worker_processes._OwnThreads(2)
    pool.start(time.localtime)
    assert await asyncio.gather(pool.run(divmod, 7, 2), pool.run(divmod, 8, 2)) == [(3, 1), (4, 0)]
    pool._workers.close()


WITHOUT_MAIN = """
import asyncio, sys
from agentcvr_graph.utils.worker_processes import run_in_worker
print(asyncio.run(run_in_worker(sum, [1, 2])), "langgraph" in sys.modules)
"""


def test_a_program_on_the_standard_input_uses_workers_and_ends_without_a_word():
    done = subprocess.run([sys.executable, "-"], input=WITHOUT_MAIN, capture_output=True, text=True, timeout=120)
    assert (done.stdout.split(), done.stderr) == (["3", "False"], "")


async def test_the_functions_of_the_offline_models_load_no_langgraph():
    from agentcvr_graph.models.offline import signals, sphinx, text_engine

    code = f"import sys, {signals.__name__}, {sphinx.__name__}, {text_engine.__name__}; "
    code += "sys.exit(any(name.startswith(('langgraph', 'langchain')) for name in sys.modules))"
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
    assert done.returncode == 0
