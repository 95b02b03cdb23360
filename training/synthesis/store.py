"""The files of a run: scripts that are done, and jobs that failed. Every row is on the disk before the next is begun.

A run that was killed is opened again: a last line that was torn is cut off, and what is complete counts. The scripts
are a `.jsonl` library like any other; failures lie beside them in `<name>.failures.jsonl`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.library import parse_script, script_json
from agentcvr_graph.scripts.schema import Script
from training.synthesis.writing import Written


class Store:
    """The rows of a run.

    Args:
        path: the `.jsonl` file of scripts; made when it is not there.
        retry_failed: forget the failures of earlier runs, so that their jobs are done again.

    Raises:
        InputError: a complete line of the file is no script; it would be lost, so nothing is written.
    """

    def __init__(self, path: Path, *, retry_failed: bool = False) -> None:
        self.path = path
        self.failures_path = path.with_suffix(".failures.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        _cut_torn_line(self.failures_path)
        if retry_failed:
            self.failures_path.unlink(missing_ok=True)
        self.scripts: list[Script] = []
        """The scripts of earlier runs."""
        for number, line in _lines(path):
            self.scripts.append(parse_script(line, f"{path}:{number}"))
        self.failed = {str(json.loads(line)["id"]) for _, line in _lines(self.failures_path)}
        done = {script.id for script in self.scripts}
        if len(done) != len(self.scripts):
            raise InputError(f"{path}: an id is there twice.", fix="Remove one of the lines.")
        self.finished = done | self.failed
        """Ids that need not be done again."""

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


def _cut_torn_line(path: Path) -> None:
    """Cut off what follows the last line break: a row that was being written when the process died."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        whole = file.read()
        end = whole.rfind(b"\n") + 1
        if end != len(whole):
            file.truncate(end)
