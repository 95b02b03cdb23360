"""Append-only JSONL logs that survive a crash: each row is on the disk before the next one is written.

A killed run is resumed from the file: `repair_last_row` removes an incomplete last row and keeps the complete ones.
Only one process writes a file at a time: `exclusive_writer` holds a lock, which the operating system releases when the
process ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_graph.utils.files import explain_disk_error


def append_row(path: Path, line: str) -> None:
    """Append one row, a line of JSON without its line break, and wait until it is on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the non-empty lines of a file with their line numbers, from 1; yield nothing if the file does not exist."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def repair_last_row(path: Path, row_start: str) -> None:
    """Remove a last row that was only partly written; add the line break to a complete one that lacks it.

    Args:
        path: the log; nothing happens if it does not exist.
        row_start: the first characters of every row of this log, for example `{"id": "`.

    Raises:
        InputError: the last line is not part of a row, so the file is not a log of this kind. It is not changed.
    """
    if not path.exists():
        return
    start = row_start.encode()
    with path.open("rb+") as file:
        whole = file.read()
        end = whole.rfind(b"\n") + 1
        last = whole[end:]
        if not last:
            return
        if _is_json(last):
            file.write(b"\n")
        elif last.startswith(start[: len(last)]):
            file.truncate(end)
        else:
            raise InputError(f"{path}: the last line is not a row of this log.", fix="Choose another file.")


@contextmanager
def exclusive_writer(path: Path) -> Generator[None]:
    """Keep other processes from writing a file, with a lock file beside it. Make its folder.

    Raises:
        InputError: another process holds the lock.
        SetupError: the folder or the lock file cannot be written, or the package `filelock` is not installed.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise missing_extra("filelock", "live") from error
    beside = Path(f"{path}.lock")
    _require_writable(path, beside)
    lock = FileLock(beside)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{path}: another run is writing it.", fix="Wait for it, or choose another file.") from None
    try:
        yield
    finally:
        lock.release()


def _require_writable(path: Path, beside: Path) -> None:
    """Raise `SetupError` with the reason why a lock file cannot be made: `FileLock` reports some as a timeout."""
    with explain_disk_error(path, "Choose a file in a folder that can be written."):
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        beside.open("ab").close()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
