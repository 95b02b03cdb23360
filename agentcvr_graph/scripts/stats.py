"""Statistics of a script library, counted in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from agentcvr_graph.scripts.schema import Script

MOST_KEYS = 6
"""Up to this many different keys are listed in the table; of more it shows the number."""


@dataclass
class TaskStats:
    """Counts over the scripts of one task."""

    scripts: int = 0
    videos: int = 0
    scenes: int = 0
    words: int = 0
    """Words in captions."""
    video_s: float = 0.0
    evidence_s: float = 0.0
    """Seconds of the windows that suffice to answer."""
    keys: Counter[str] = field(default_factory=Counter[str])
    generators: Counter[str] = field(default_factory=Counter[str])

    def add(self, script: Script) -> None:
        """Count one more script."""
        self.scripts += 1
        self.videos += len(script.videos)
        for video in script.videos:
            self.video_s += video.duration_s
            self.scenes += len(video.scenes)
            self.words += sum(len(scene.caption.split()) for scene in video.scenes)
        self.evidence_s += sum(window.duration_s for window in script.evidence)
        self.keys["".join(script.key) if isinstance(script.key, list) else str(script.key)] += 1
        self.generators[script.origin.generator] += 1


def stats(scripts: Iterable[Script]) -> dict[str, TaskStats]:
    """Return counts by task, in the order in which the tasks first appear."""
    found: dict[str, TaskStats] = {}
    for script in scripts:
        found.setdefault(script.task, TaskStats()).add(script)
    return found


def stats_table(found: dict[str, TaskStats]) -> Table:
    """Return a table with one row for each task; means are per script."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("task")
    for name in ("scripts", "videos", "seconds", "scenes", "words", "evidence s"):
        table.add_column(name, justify="right")
    table.add_column("keys")
    table.add_column("made by")
    for task, row in found.items():
        means = (row.videos, row.video_s, row.scenes, row.words, row.evidence_s)
        table.add_row(
            task,
            str(row.scripts),
            *(f"{total / row.scripts:.1f}" for total in means),
            _keys(row.keys),
            ", ".join(row.generators),
        )
    return table


def _keys(keys: Counter[str]) -> str:
    if len(keys) > MOST_KEYS:
        return f"{len(keys)} different"
    return "  ".join(f"{key} {count}" for key, count in sorted(keys.items()))
