"""The files of a run (JSONL logs, see `agentcvr_graph/utils/jsonl_log.py`): scripts, failed jobs, rejected attempts.

The scripts are a `.jsonl` library like any other; failures lie beside them in `<name>.failures.jsonl`, and attempts
that were rejected in `<name>.rejected.jsonl`, with the reason and the script. One run at a time writes them, since two
would write the same scripts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.generators.llm.writing import Rejection, Written
from agentcvr_graph.scripts.library import parse_script, script_json
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.utils.jsonl_log import append_row, exclusive_writer, read_rows, repair_last_row

_ROW_START = '{"id": "'


class Store:
    """The files of a run, as a context manager that locks them for this process.

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
        self.rejected_path = path.with_suffix(".rejected.jsonl")
        self.attempts: Counter[str] = Counter()
        """Rejected attempts at a job, by its id; an unfinished job continues after them."""
        self.finished: set[str] = set()
        """Ids of the jobs that need not be repeated."""
        self._retry_failed = retry_failed
        self._each = each
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as lock:
            lock.enter_context(exclusive_writer(self.path))
            self._read()
            self._lock = lock.pop_all()  # kept, now that nothing has been raised
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.close()

    def _read(self) -> None:
        for path in (self.path, self.failures_path, self.rejected_path):
            repair_last_row(path, _ROW_START)
        for number, line in read_rows(self.path):
            script = parse_script(line, f"{self.path}:{number}")
            if script.id in self.finished:
                raise InputError(f"{self.path}:{number}: {script.id!r} is there twice.", fix="Remove one of the lines.")
            self.finished.add(script.id)
            self._each(script)
        if self._retry_failed:
            self.failures_path.unlink(missing_ok=True)
        self.attempts.update(str(json.loads(line)["id"]) for _, line in read_rows(self.rejected_path))
        self.finished.update(str(json.loads(line)["id"]) for _, line in read_rows(self.failures_path))

    def add(self, script: Script) -> None:
        """Append a script."""
        append_row(self.path, script_json(script))

    def add_failure(self, written: Written) -> None:
        """Append a failed job, with the reason and what it cost."""
        row = {**_place(written), "failure": written.failure, **asdict(written.usage)}
        append_row(self.failures_path, json.dumps(row, ensure_ascii=False))

    def add_rejection(self, written: Written, rejection: Rejection) -> None:
        """Append a rejected attempt, with the reason, what it cost, and its script if there is one."""
        script = None if written.script is None else json.loads(script_json(written.script))
        row = {**_place(written), "attempt": written.job.attempt, **asdict(rejection), **asdict(written.usage)}
        append_row(self.rejected_path, json.dumps({**row, "script": script}, ensure_ascii=False))


def _place(written: Written) -> dict[str, Any]:
    return {"id": written.job.id, "task": written.job.task, "seed": written.job.seed}
