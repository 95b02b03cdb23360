"""Files of rows that outlive a crash: every row is on the disk before the next is begun.

A run that was killed is opened again: a last line that was torn is cut off, and what is complete counts. One process
at a time writes a file: a lock, which dies with its process, keeps a second one out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentcvr_graph.errors import InputError, missing_extra


def append_row(path: Path, line: str) -> None:
    """Append one row, a line of JSON, and wait until it is on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def rows_in(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not empty, with their numbers from 1; none where there is no file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def repair_last_row(path: Path, row_start: str) -> None:
    """Cut off a row that was being written when the process died; end a whole one that lacks its line break.

    Args:
        row_start: how every row of the file begins.

    Raises:
        InputError: the last line is no part of a row, so the file is not ours to cut.
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
            raise InputError(f"{path}: its last line is no row of this kind.", fix="Name another file.")


@contextmanager
def written_alone(path: Path) -> Generator[None]:
    """Keeps other processes from writing a file, by a lock beside it.

    Raises:
        InputError: another process writes it.
        SetupError: the package of locks is missing.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise missing_extra("filelock", "live") from error
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{path}: another run is writing it.", fix="Wait for it, or name another file.") from None
    try:
        yield
    finally:
        lock.release()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
