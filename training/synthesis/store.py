"""The files of a run: scripts that are done, and jobs that failed. Every row is on the disk before the next is begun.

A run that was killed is opened again: a last line that was torn is cut off, and what is complete counts. The scripts
are a `.jsonl` library like any other; failures lie beside them in `<name>.failures.jsonl`. One run at a time writes
them: a lock, which dies with its process, keeps a second one out, since both would write the same scripts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.library import parse_script, script_json
from agentcvr_graph.scripts.schema import Script
from training.synthesis.writing import Written

_ROW_START = b'{"id": "'


class Store:
    """The rows of a run, as a context: it is opened for writing inside, and belongs to this process.

    Args:
        path: the `.jsonl` file of scripts; made when it is not there.
        retry_failed: forget the failures of earlier runs, so that their jobs are done again.
        each: called with every script of earlier runs. The store keeps their ids only.

    Raises:
        InputError: on entering, when another run writes the file, or when a line of it is no script. It would be lost,
            so nothing is written.
    """

    def __init__(
        self, path: Path, *, retry_failed: bool = False, each: Callable[[Script], None] = lambda script: None
    ) -> None:
        self.path = path
        self.failures_path = path.with_suffix(".failures.jsonl")
        self.finished: set[str] = set()
        """Ids that need not be done again."""
        self._retry_failed = retry_failed
        self._each = each
        self._lock = FileLock(f"{path}.lock")

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path}: another run is writing it.", fix="Wait for it, or name another file."
            ) from None
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def _read(self) -> None:
        for path in (self.path, self.failures_path):
            _mend_last_line(path)
        for number, line in _lines(self.path):
            script = parse_script(line, f"{self.path}:{number}")
            if script.id in self.finished:
                raise InputError(f"{self.path}:{number}: {script.id!r} is there twice.", fix="Remove one of the lines.")
            self.finished.add(script.id)
            self._each(script)
        if self._retry_failed:
            self.failures_path.unlink(missing_ok=True)
        self.finished.update(str(json.loads(line)["id"]) for _, line in _lines(self.failures_path))

    def add(self, script: Script) -> None:
        """Append a script."""
        _append(self.path, script_json(script))

    def add_failure(self, written: Written) -> None:
        """Append a failed job, with the reason and what it cost."""
        row: dict[str, Any] = {
            "id": written.job.id,
            "task": written.job.task,
            "seed": written.job.seed,
            "failure": written.failure,
            **asdict(written.usage),
        }
        _append(self.failures_path, json.dumps(row, ensure_ascii=False))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def _mend_last_line(path: Path) -> None:
    """Cut off a row that was being written when the process died; end a whole one that lacks its line break.

    Raises:
        InputError: the last line is no part of a row, so the file is not ours to cut.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        whole = file.read()
        end = whole.rfind(b"\n") + 1
        last = whole[end:]
        if not last:
            return
        if _is_json(last):
            file.write(b"\n")
        elif last.startswith(_ROW_START[: len(last)]):
            file.truncate(end)
        else:
            raise InputError(f"{path}: its last line is no script.", fix="Name another file.")


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
