"""Kill a run before each of its writes, in processes forked from one that has imported everything.

A run is started repeatedly in the same folder: the first one is killed before its first write, the next one before its
second, until one ends. So a kill precedes every kind of write of a run (a row, a draft, its renaming, the final
tables), and each run starts from the files that the previous one left. SIGKILL ends the process, as `kill -9` does.

Call it in a separate process without threads: `run_in_fresh_process` starts one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WRITES = os.O_WRONLY | os.O_RDWR
MOST = 200
"""Largest number of kills; a run that does not end after so many makes no progress."""


def kill_before_each_write(work: Callable[[], object], folder: Path) -> list[str]:
    """Run `work` until a run ends; return the write before which each of the other runs was killed."""
    killed: list[str] = []
    while len(killed) < MOST:
        place = _run_and_kill(work, folder, len(killed) + 1)
        if place is None:
            return killed
        killed.append(place)
    raise AssertionError(f"no run ended; they died before: {killed}")


def run_in_fresh_process(code: str, *arguments: object) -> list[list[str]]:
    """Run a program whose last output line holds results of `kill_before_each_write` as JSON; return them."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _run_and_kill(work: Callable[[], object], folder: Path, write: int) -> str | None:
    """Run once and kill it before its n-th write below the folder. Return that write, or None if the run ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_until(work, folder, write, writing)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        place = said.read()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return place
    assert os.WEXITSTATUS(status) == 0, "a run failed; its traceback is above"
    return None


def _run_until(work: Callable[[], object], folder: Path, write: int, pipe: int) -> None:
    left = write

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if (place := _place(event, arguments, folder)) is None:
            return
        left -= 1
        if left == 0:
            os.write(pipe, f"{event} {place}".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _place(event: str, arguments: tuple[object, ...], folder: Path) -> str | None:
    """Return the file that an audit event is about to write, or None if it writes no file below the folder."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & WRITES:
            return None
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.truncate"):
        path = arguments[0]
    else:
        return None
    if isinstance(path, bytes | str | os.PathLike) and os.fsdecode(path).startswith(str(folder)):
        return os.fsdecode(path)[len(str(folder)) :]
    return None
