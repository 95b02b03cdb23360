"""The log of a run's sittings: when the command ran, which steps it took, and how far a killed one came.

One row of JSON for each event, on the disk before the run goes on, so a sitting that was killed has no row `end`:

    {"at": "2026-11-29T22:10:04+00:00", "event": "start", "name": "", "seconds": 0.0}
    {"at": "2026-11-29T22:11:20+00:00", "event": "step", "name": "model", "seconds": 75.8}
    {"at": "2026-11-29T23:02:51+00:00", "event": "end", "name": "", "seconds": 3166.9}
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from agentcvr_graph.utils.jsonl_log import append_row, read_rows, repair_last_row

FILE = "sittings.jsonl"


class Event(BaseModel):
    """A row of the log."""

    at: str
    """UTC, ISO 8601."""
    event: Literal["start", "step", "end"]
    name: str = ""
    """The step that ended."""
    seconds: float = 0.0
    """Wall-clock time of the step in this sitting, or of the sitting."""


class Sitting:
    """Logs one run of the command to a folder.

    Args:
        folder: of the run; created if there is none.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        repair_last_row(self._path, '{"at":')
        self._started_s = time.monotonic()
        self._append("start")

    def step(self, name: str, take: Callable[[], object]) -> None:
        """Take a step; log it when it has ended."""
        started_s = time.monotonic()
        take()
        self._append("step", name, time.monotonic() - started_s)

    def end(self) -> None:
        """Log that the sitting ended by itself."""
        self._append("end", seconds=time.monotonic() - self._started_s)

    def _append(self, event: Literal["start", "step", "end"], name: str = "", seconds: float = 0.0) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        append_row(self._path, Event(at=now, event=event, name=name, seconds=round(seconds, 1)).model_dump_json())


def read_sittings(folder: Path) -> list[Event]:
    """Return the events of all sittings of a run, in order."""
    return [Event.model_validate_json(row) for _, row in read_rows(folder / FILE)]
