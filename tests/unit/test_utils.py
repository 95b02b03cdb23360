"""Helpers in `agentcvr_graph/utils/`: atomic writes, progress bars, JSONL logs, background work."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.utils.concurrency import Background, in_order
from agentcvr_graph.utils.files import atomic_write, atomic_write_bytes, atomic_write_text, explain_disk_error
from agentcvr_graph.utils.jsonl_log import append_row, exclusive_writer, repair_last_row
from agentcvr_graph.utils.progress import ProgressBar, track


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, height=10)


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_atomic_writes_replace_a_file_and_leave_no_temporary_file(tmp_path: Path):
    atomic_write_text(tmp_path / "a.txt", "née")
    atomic_write_text(tmp_path / "a.txt", "neue")
    atomic_write_bytes(tmp_path / "b.bin", b"\x00\x01")
    assert (tmp_path / "a.txt").read_bytes() == b"neue"
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\x01"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_the_old_file_exists_until_the_new_one_is_complete(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("half"), KeyboardInterrupt()])
def test_an_error_keeps_the_old_file_and_removes_the_temporary_one(tmp_path: Path, error: BaseException):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted_write() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        interrupted_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to_and_stays_a_device(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic_write_text(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("name", ["file/a.txt", "folder", "missing/a.txt"])
def test_a_refused_write_names_the_target_and_not_the_temporary_file(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=name) as caught:
        atomic_write_text(tmp_path / name, "text")
    assert caught.value.filename == str(tmp_path / name)
    assert ".part" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_names_the_target(tmp_path: Path):
    def fill(path: Path) -> None:
        with atomic_write(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"a\.txt"):
        fill(tmp_path / "a.txt")


def test_content_is_flushed_to_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    steps: list[str] = []
    rename = Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append("flush"))
    monkeypatch.setattr(Path, "replace", lambda self, target: [steps.append("rename"), rename(self, target)])
    atomic_write_text(tmp_path / "a.txt", "text")
    atomic_write_bytes(tmp_path / "b.bin", b"bytes", flush_to_disk=False)
    assert steps == ["flush", "rename", "rename"]


def test_a_full_disk_raises_a_one_line_error_with_a_fix(tmp_path: Path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(SetupError) as caught, explain_disk_error(tmp_path, "Make room."):
        raise full
    assert caught.value.message == f"{tmp_path} cannot be written: No space left on device."
    assert caught.value.fix == "Make room."
    with pytest.raises(ValueError, match="other"), explain_disk_error(tmp_path, "Make room."):
        raise ValueError("other")


def test_a_bar_shows_description_and_steps_and_disappears():
    console = terminal()
    with ProgressBar("reading [bold]a.mp4[/bold]", 4, completed=1, console=console) as bar:
        bar.advance()
        bar.update(description="writing", total=5)
        assert (bar.completed, bar.total) == (2, 5)
        bar.update(completed=5)
    text = drawn(console)
    assert "[bold]a.mp4[/bold]" in text and "1/4" in text
    assert text.endswith("\x1b[1A\x1b[2K")


def test_track_yields_the_items_and_counts_them():
    console = terminal()
    assert list(track(["a", "b"], "reading", console=console)) == ["a", "b"]
    assert "2/2" in drawn(console)
    assert list(track(iter("xyz"), "reading", 3, console=console)) == ["x", "y", "z"]


def test_a_bar_draws_on_stderr_and_only_on_a_terminal(capsys: pytest.CaptureFixture[str]):
    assert list(track(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_truncated_last_row_is_removed_and_a_complete_one_gets_a_line_break(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    repair_last_row(path, '{"id"')
    assert not path.exists()
    append_row(path, json.dumps({"id": 1}))
    whole = path.read_bytes()
    for torn in (b'{"i', b'{"id": 2, "te'):
        path.write_bytes(whole + torn)
        repair_last_row(path, '{"id"')
        assert path.read_bytes() == whole
    path.write_bytes(whole + b'{"id": 2}')
    repair_last_row(path, '{"id"')
    assert path.read_bytes() == whole + b'{"id": 2}\n'


def test_a_file_that_is_not_a_log_is_not_changed(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"my notes")
    with pytest.raises(InputError, match=r"notes\.txt"):
        repair_last_row(path, '{"id"')
    assert path.read_bytes() == b"my notes"


async def test_background_work_is_bounded_and_awaited():
    running, most, done = 0, 0, list[int]()
    go_on = asyncio.Event()

    async def work(job: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        done.append(job)

    async with Background(work, 2) as background:
        await background.start(1)
        await background.start(2)
        third = asyncio.create_task(background.start(3))
        await asyncio.sleep(0)
        assert not third.done()
        go_on.set()
        await third
    assert (most, sorted(done)) == (2, [1, 2, 3])


async def test_an_error_of_background_work_is_raised_after_the_rest_is_done():
    done = list[int]()

    async def work(job: int) -> None:
        await asyncio.sleep(0)
        if job == 1:
            raise ValueError("disk full")
        done.append(job)

    async def run() -> None:
        async with Background(work, 3) as background:
            for job in (1, 2, 3):
                await background.start(job)

    with pytest.raises(ValueError, match="disk full"):
        await run()
    assert done == [2, 3]


async def test_jobs_run_at_the_same_time_and_keep_their_order():
    entered = [asyncio.Event() for _ in range(4)]

    async def work(number: int) -> int:
        entered[number].set()
        if number % 2 == 0:  # the first of each pair ends after the second has begun
            await entered[number + 1].wait()
        return number * 10

    assert await asyncio.wait_for(in_order(work, range(4), 2), 20) == [0, 10, 20, 30]
    assert await in_order(work, [], 2) == []


async def test_the_first_job_that_fails_cancels_the_others():
    begun, cancelled = asyncio.Event(), []

    async def work(number: int) -> None:
        if number == 1:
            await begun.wait()
            raise ValueError("one")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(number)

    with pytest.raises(ValueError, match="one"):
        await asyncio.wait_for(in_order(work, range(5), 2), 20)
    assert cancelled == [0]


@pytest.mark.parametrize(
    ("place", "reason"), [("file.txt/x.jsonl", "Not a directory"), ("folder/x.jsonl", "Is a directory")]
)
def test_a_file_that_cannot_be_locked_is_no_file_of_another_run(tmp_path: Path, place: str, reason: str):
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder" / "x.jsonl.lock").mkdir(parents=True)
    with pytest.raises(SetupError) as caught, exclusive_writer(tmp_path / place):
        pass
    assert caught.value.message == f"{tmp_path / place} cannot be written: {reason}."


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_what_the_system_says_of_a_lock_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "x.jsonl.lock")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SetupError, match=f"cannot be written: {os.strerror(number)}"), exclusive_writer(tmp_path / "x"):
        pass


def test_the_folder_of_a_log_is_made(tmp_path: Path):
    with exclusive_writer(tmp_path / "new" / "er" / "x.jsonl"):
        pass
    assert [path.name for path in (tmp_path / "new" / "er").iterdir()] == ["x.jsonl.lock"]
