"""The evidence index: 10,000 videos with 50 statements each, as `find` searches them over a catalogue.

The statements are made of words whose frequencies fall as those of a language do, and the queries are whole questions.
Vectors are random ones of 384 numbers, as those of all-MiniLM-L6-v2 have; the time of the model is not included.
Memory and times are those of a fresh process that opens the file; times are processor time, so that other work on the
machine does not count.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from agentcvr_graph.index.store import Addition, EvidenceStore, Statement
from tests.benchmarks.rows import Row

VIDEOS, STATEMENTS, WORDS = 10_000, 50, 9
VOCABULARY = 20_000
FIND_MS, OPEN_S, MEMORY_MB = 50.0, 1.0, 300.0
MODEL, SIZE = "random", 384
MEASURED = """
import asyncio, json, re, statistics, sys, time
from pathlib import Path
from agentcvr_graph.catalogue import Catalogue, Sources
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.types import Video
from agentcvr_graph.index.meaning import Meaning
from tests.benchmarks.bench_index import MODEL, VIDEOS, Indexed, Random, question

def used_mb():
    # Not `resource`, whose peak a new process takes over from the one that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

async def main():
    before_mb = used_mb()
    catalogue = Catalogue((Video(source=f"v{n}.mp4"), None) for n in range(VIDEOS))
    meaning = Meaning(Random(), MODEL) if sys.argv[2] == "vectors" else None
    perception, finder = Indexed(Path(sys.argv[1])), Finder(meaning)
    sources, numbers = Sources([], VIDEOS, catalogue), tuple(range(1, VIDEOS + 1))
    base_mb = used_mb()
    times = []
    for seed in range(21):
        started = time.process_time()
        found = await finder.find(Query(question(seed), numbers), perception, sources)
        times.append(time.process_time() - started)
        assert found.windows and not found.beyond and not found.note
    rest = sorted(times[1:])
    figures = {"first": times[0], "median": statistics.median(rest), "slowest": rest[-1], "memory": used_mb() - base_mb}
    print(json.dumps(figures))

asyncio.run(main())
"""


class Random(Embeddings):
    """A model of which a text has the same random vector every time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors."""
        return [np.random.default_rng(list(text.encode())).normal(size=SIZE).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]


class Indexed:
    """A perception of videos that are all in the index."""

    def __init__(self, folder: Path) -> None:
        self.index_folder = folder

    def reference_key(self, video: Any) -> str:
        """Return the source."""
        return video.source

    async def reference_stamp(self, video: Any) -> str:
        """Return one stamp for all."""
        return "1"

    async def evidence_key(self, info: Any) -> str:
        """Return the source."""
        return info.video.source

    async def probe(self, video: Any, number: int) -> Any:
        """Refuse to open anything."""
        raise AssertionError(f"{video.source} was opened")

    observe = listen = probe


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "evidence.sqlite"
        fill(file)
        yield from _measured(file, "words")
        add_vectors(file)
        yield from _measured(file, "vectors")


def _measured(file: Path, how: str) -> Iterator[Row]:
    command = [sys.executable, "-W", "ignore", "-c", MEASURED, str(file.parent), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size_mb, compared = file.stat().st_size / 2**20, "" if how == "words" else " by words and vectors"
    figures = json.loads(done.stdout)
    median_ms, slowest_ms = 1000 * figures["median"], 1000 * figures["slowest"]
    first_s, memory_mb = figures["first"], figures["memory"]
    what = f"find{compared} over {VIDEOS:,} indexed videos ({VIDEOS * STATEMENTS:,} statements), median of 20 questions"
    yield Row(what, f"{median_ms:.0f} ms, slowest {slowest_ms:.0f} ms", f"< {FIND_MS:.0f} ms", median_ms < FIND_MS)
    yield Row(
        f"first search{compared} of a process, which opens the index", f"{first_s:.2f} s", "< 1 s", first_s < OPEN_S
    )
    within = memory_mb < MEMORY_MB
    yield Row(
        f"memory of the search{compared} (file: {size_mb:.0f} MB)",
        f"{memory_mb:.0f} MB",
        f"< {MEMORY_MB:.0f} MB",
        within,
    )


def fill(file: Path) -> None:
    """Write the index."""
    store = EvidenceStore(file)
    rng = random.Random(0)
    for start in range(0, VIDEOS, 500):
        store.add_all([_addition(number, rng) for number in range(start, start + 500)])
    known = store.known([f"v{number}.mp4" for number in range(VIDEOS)])
    for key, video in known.items():
        store.link(f"1|{key}", key, "1", video)
    store.close()


def add_vectors(file: Path) -> None:
    """Add random vectors to the index."""
    store, rng = EvidenceStore(file), np.random.default_rng(0)
    videos = [video.id for video in store.videos()]
    for start in range(0, len(videos), 500):
        found = store.unvectored(MODEL, videos[start : start + 500])
        store.add_vectors(MODEL, found, [rng.normal(size=SIZE).tolist() for _ in found])
    store.close()


def _addition(number: int, rng: random.Random) -> Addition:
    said = (
        Statement("visual" if n % 2 else "audio", n * 3.0, n * 3.0 + 3, _text(rng, WORDS)) for n in range(STATEMENTS)
    )
    return Addition(f"v{number}.mp4", tuple(said), f"video {number}", 150.0)


def question(seed: int) -> str:
    """Return a question of ten words."""
    return _text(random.Random(f"question {seed}"), 10)


_WEIGHTS = list(accumulate(1 / (rank + 20) for rank in range(VOCABULARY)))


def _text(rng: random.Random, count: int) -> str:
    return " ".join(f"w{rank}" for rank in rng.choices(range(VOCABULARY), cum_weights=_WEIGHTS, k=count))
