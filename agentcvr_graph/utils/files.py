"""Atomic file writes: a reader finds the old file or the whole new one, never a part of it.

The new content is written to a temporary file in the same folder, because a rename is atomic only within one file
system. The file is flushed to the disk and then renamed to the target. After an error the temporary file is removed and
the target is unchanged. The name of the temporary file ends with `.part` and contains the ids of the process and the
thread, so two writers of the same target do not share it; the last one wins.

A device or a pipe, such as `/dev/stdout`, is written to directly: a rename would put a file in its place.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentcvr_graph.errors import SetupError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a write to an open file; Python does not say which file it was."""


@contextmanager
def atomic_write(path: Path, *, flush_to_disk: bool = True) -> Generator[Path]:
    """Yield a temporary path to write to; rename it to `path` when the block ends without an error.

    Use this for writers that take a path (PyAV, pyarrow, matplotlib) or that write many parts. The temporary name does
    not have the suffix of `path`, so pass the format to writers that otherwise derive it from the name.

    Args:
        path: the file to create or replace. Its folder must exist.
        flush_to_disk: wait until the content is on the disk, so that the file survives a power failure. Turn it off
            for caches whose readers check what they read.

    Raises:
        OSError: a write was refused; its file name is that of the target.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield temporary
        if flush_to_disk:
            _flush_to_disk(temporary)
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and (error.errno in FULL or error.filename == str(temporary)):
            error.filename, error.filename2 = str(path), None
        with suppress(OSError):
            temporary.unlink()
        raise


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def atomic_write_bytes(path: Path, data: bytes, *, flush_to_disk: bool = True) -> None:
    """Write bytes to `path`, completely or not at all; `flush_to_disk` as in `atomic_write`."""
    with atomic_write(path, flush_to_disk=flush_to_disk) as temporary:
        temporary.write_bytes(data)


def is_os_error(error: Exception) -> bool:
    """Return whether the error came from the operating system."""
    return isinstance(error, OSError)


@contextmanager
def explain_disk_error(
    folder: Path, fix: str | Callable[[Exception], str], is_disk_error: Callable[[Exception], bool] = is_os_error
) -> Generator[None]:
    """Turn a refused write in the block (disk full, no permission) into one line about `folder`.

    Args:
        folder: where the block writes.
        fix: what the user can do about it, or a function of the error that returns it.
        is_disk_error: return whether an error is a refused write. Libraries with native code raise their own errors.

    Raises:
        SetupError: a write was refused.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_error(error):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        advice = fix if isinstance(fix, str) else fix(error)
        raise SetupError(f"{folder} cannot be written: {reason}.", fix=advice) from error


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
