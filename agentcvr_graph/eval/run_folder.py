"""The folder of a run: everything needed to trace a result and to resume after a crash.

    run.json                         the questions, models, settings and package versions (`manifest.py`)
    results.jsonl                    one `Row` per line, written as soon as it arrives; a later row of
                                     the same question and method (a retry) replaces the earlier one
    trajectories/<method>/<id>.json  the trajectory of each answer, written before its row
    results.parquet                  the latest rows as a table, written when the run ends
    report.html, questions/...       the HTML report (`report/`)

The format is the same for scripted and live runs and for every method.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_graph.eval.manifest import RunManifest
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.utils.files import atomic_write, atomic_write_text, explain_disk_error
from agentcvr_graph.utils.jsonl_log import append_row, exclusive_writer, read_rows, repair_last_row

DISK_FIX = "Make room, or choose another --out folder, and run again: finished questions are kept."
MOST_CHARACTERS = 200
"""Longest name of a question's file, without its ending; file systems allow 255 bytes."""
_ROW_START = '{"id":"'
Place = tuple[str, str]
"""Method and id."""


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results.jsonl"
        self.manifest_path = path / "run.json"
        self._appending = Lock()

    @contextmanager
    def opened(self, manifest: RunManifest) -> Generator[dict[Place, Row]]:
        """Lock the folder for writing and yield the rows of earlier attempts.

        Raises:
            InputError: the path is a file, another run is writing, or the folder holds a run with other settings or a
                foreign file.
            SetupError: the folder cannot be written.
        """
        if self.path.is_file():
            raise InputError(f"{self.path} is a file.", fix="Name a folder: --out.")
        with explain_disk_error(self.path, DISK_FIX):
            self.path.mkdir(parents=True, exist_ok=True)
        with exclusive_writer(self.results):
            if self.manifest_path.exists():
                manifest = self.manifest().extended(manifest, self.path)
            repair_last_row(self.results, _ROW_START)
            found = self.latest()
            with explain_disk_error(self.path, DISK_FIX):
                atomic_write_text(self.manifest_path, manifest.model_dump_json(indent=1))
            yield found

    def manifest(self) -> RunManifest:
        """Return the manifest of the run.

        Raises:
            InputError: the folder holds no run.
        """
        try:
            return RunManifest.model_validate_json(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"There is no run in {self.path}.", fix="Name a folder that --out wrote.") from None
        except ValidationError as error:
            raise InputError(
                f"{self.manifest_path}: {error.errors()[0]['msg']}.", fix="Name another folder."
            ) from error

    def rows(self) -> Iterator[Row]:
        """Yield all rows in the order of writing."""
        for number, line in read_rows(self.results):
            try:
                yield Row.model_validate_json(line)
            except ValidationError as error:
                message = f"{self.results}:{number}: {error.errors()[0]['msg']}."
                raise InputError(message, fix="Remove the line; its question is then run again.") from error

    def latest(self) -> dict[Place, Row]:
        """Return the latest row of each question and method."""
        return {row.place: row for row in self.rows()}

    def add(self, row: Row, trajectory: Trajectory | None) -> None:
        """Store a result: the trajectory first, so that every row has one. Several threads may store results.

        Raises:
            SetupError: the disk is full, or may not be written.
        """
        with explain_disk_error(self.path, DISK_FIX):
            if trajectory is not None:
                path = self.trajectory_path(row.method, row.id)
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write_text(path, trajectory.without_secrets().model_dump_json())
            with self._appending:
                append_row(self.results, row.model_dump_json())

    def trajectory_path(self, method: str, question_id: str) -> Path:
        """Return the path of a trajectory."""
        return self.path / "trajectories" / method / f"{file_name(question_id)}.json"

    def trajectory(self, method: str, question_id: str) -> Trajectory | None:
        """Return a trajectory; None if the question could not be run."""
        path = self.trajectory_path(method, question_id)
        return Trajectory.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None

    def write_table(self, rows: Iterable[Row]) -> Path:
        """Write rows as a Parquet table and return its path.

        Raises:
            SetupError: pyarrow is not installed, or the disk is full.
        """
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise missing_extra("pyarrow", "eval") from error
        path = self.path / "results.parquet"
        arrow: Any = pa  # its types leave much open
        table = arrow.Table.from_pylist([_flat(row) for row in rows])
        with explain_disk_error(self.path, DISK_FIX), atomic_write(path) as temporary:
            pq.write_table(table, temporary)  # pyright: ignore[reportUnknownMemberType]
        return path


def file_name(question_id: str) -> str:
    """Return the id of a question as a file name; a digest stands for the end of a long one.

    >>> file_name("a/b"), len(file_name("long" * 100))
    ('a%2Fb', 200)
    """
    name = quote(question_id, safe=" ()+,;=@")
    if len(name) <= MOST_CHARACTERS:
        return name
    digest = hashlib.blake2b(question_id.encode(), digest_size=16).hexdigest()
    return f"{name[: MOST_CHARACTERS - len(digest) - 1]}-{digest}"


def _flat(row: Row) -> dict[str, Any]:
    """Return a row as columns: usage in columns of its own, values of varying shape as JSON."""
    stored = row.model_dump(mode="json")
    usage = stored.pop("usage")
    for name in ("value", "key"):
        stored[name] = json.dumps(stored[name])
    return {**stored, **usage}
