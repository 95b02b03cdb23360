"""Memory of the recognisers: each in a process of its own that hears twenty minutes of sound.

    python -m tests.benchmarks speech_memory --recordings DIR

The recordings of the folders are heard again and again, as in a run in cells of about 15 s; memory includes worker
processes. It takes five to ten minutes of processor time for each recogniser.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.benchmarks.recognisers import NAMES, heard_words, recogniser, recordings_in, resident_mb, spent_s
from tests.benchmarks.rows import Row

SOUND_S = 1200.0


@dataclass(frozen=True)
class Use:
    """What a recogniser took for all the sound."""

    first_mb: float
    """Memory after all recordings were heard once."""
    last_mb: float
    peak_mb: float
    """The largest of the figures after each recording."""
    spent_s: float


def rows(folders: Sequence[Path]) -> Iterator[Row]:
    """Yield the rows of each recogniser."""
    for name in NAMES:
        command = (sys.executable, "-m", __name__, name, *map(str, folders))
        use = Use(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        yield Row(f"{name}: memory at most", f"{use.peak_mb:.0f} MB")
        yield Row(f"{name}: memory after one round, at the end", f"{use.first_mb:.0f} MB, {use.last_mb:.0f} MB")
        yield Row(f"{name}: processor seconds a second of sound", f"{use.spent_s / SOUND_S:.2f}")


def heard_again(name: str, folders: Sequence[Path]) -> Use:
    """Let a recogniser hear the recordings again and again."""
    recordings = [recording for folder in folders for recording in recordings_in(folder)]
    model = recogniser(name)
    heard_s, sizes = 0.0, list[float]()
    with tempfile.TemporaryDirectory() as cache:
        media = MediaLibrary(cache_dir=Path(cache))
        for recording in cycle(recordings):
            clip = media.open(Video(source=str(recording.path)))
            heard_words(model, clip)
            heard_s += clip.info.duration_s
            sizes.append(resident_mb())
            if heard_s >= SOUND_S:
                return Use(sizes[min(len(recordings), len(sizes)) - 1], sizes[-1], max(sizes), spent_s())
    raise AssertionError("cycle ends only without recordings")


if __name__ == "__main__":
    print(json.dumps(asdict(heard_again(sys.argv[1], [Path(folder) for folder in sys.argv[2:]]))))
