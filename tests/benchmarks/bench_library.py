"""Search in libraries of 100 scripted videos (task LIB), and what it is worth to the offline master.

- **Recall@5**: whether one of the five best windows of one search overlaps a window that decides the question. The
  query is the question's text, nothing else. A question about two videos counts half for each. Beside it: five windows
  at random, five videos by the words of their titles, and the question in other words (`paraphrases.py`), which share
  none with the statements.
- **The offline master** with and without `find` at the same budget, and without any evidence (blind): the share of the
  score that it reaches, with a 95 % interval over the questions.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from langchain_core.embeddings import Embeddings

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.answers import score_answer
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.meaning import Meaning
from agentcvr_graph.index.words import query_words
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.models.offline.master.searching import question_queries
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.perception.blind import BlindPerception
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.tools import Features
from agentcvr_graph.types import Window
from tests.benchmarks.paraphrases import paraphrased
from tests.benchmarks.rows import Row
from tests.support.disk_cache import VARIABLE
from tests.support.minilm_weights import PACKAGE, minilm

LIBRARIES = 200
FIRST_SEED = 700_000
WINDOWS = 5
LEXICAL = 0.95
"""Goal of recall@5 for the question's words."""
PARAPHRASED = 0.85
"""Goal for the question in other words, with embeddings."""
EMBEDDED = 40
"""Libraries that are searched with an embeddings model."""


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    scripts = list(make_scripts({"LIB": LIBRARIES}, FIRST_SEED, LEVELS["normal"]))
    yield from asyncio.run(_recalls(scripts))
    yield from asyncio.run(_accuracies(scripts))


async def _recalls(scripts: Sequence[Script]) -> list[Row]:
    rng = random.Random(0)
    own = [_recall(script, await _search(script, [script.question])) for script in scripts]
    two = [found for found, script in zip(own, scripts, strict=True) if len(_decisive(script)) == 2]
    one = [found for found, script in zip(own, scripts, strict=True) if len(_decisive(script)) == 1]
    clauses = [_recall(script, await _search(script, question_queries(script.question))) for script in scripts]
    noisy = [_recall(script, await _search(script, [script.question], "fitted")) for script in scripts]
    other = [_recall(script, await _search(script, [paraphrased(script.question)])) for script in scripts]
    titles = statistics.fmean(_recall(script, _by_title(script)) for script in scripts)
    drawn = statistics.fmean(_recall(script, _at_random(script, rng)) for script in scripts)
    found = statistics.fmean(own)
    return [
        Row(
            f"recall@5 of the decisive window, {len(scripts)} libraries of 100 videos, one search for the question",
            f"{found:.3f}; random {drawn:.3f}, by title {titles:.3f}",
            f">= {LEXICAL:g}",
            found >= LEXICAL,
        ),
        Row("  of questions about one video", f"{statistics.fmean(one):.3f} of {len(one)}"),
        Row("  of questions about two videos", f"{statistics.fmean(two):.3f} of {len(two)}"),
        Row("  with one search more for each clause, five windows of each", f"{statistics.fmean(clauses):.3f}"),
        Row("  with the noise of the offline models (fitted)", f"{statistics.fmean(noisy):.3f}"),
        Row("  the question in other words", f"{statistics.fmean(other):.3f}"),
        *await _with_embeddings(scripts[:EMBEDDED]),
    ]


async def _with_embeddings(scripts: Sequence[Script]) -> list[Row]:
    """Return the recalls with an embeddings model, on fewer libraries: a model without a GPU is slow."""
    os.environ.setdefault(VARIABLE, str(Path(tempfile.gettempdir()) / "agentcvr-test-cache"))
    try:
        folder = minilm()
    except PackageNotFoundError:
        return [Row("  with embeddings", f"not measured: the package {PACKAGE} is not installed")]
    finder = Finder(Meaning(Remembering(*resolve_embeddings(f"transformers:{folder}")), "all-MiniLM-L6-v2"))
    own = await _mean_recalls(scripts, [script.question for script in scripts], finder)
    other = await _mean_recalls(scripts, [paraphrased(script.question) for script in scripts], finder)
    name = f"with embeddings (all-MiniLM-L6-v2), {len(scripts)} libraries"
    return [
        Row(f"  the question, {name}", f"{own[0]:.3f}; by words alone {own[1]:.3f}"),
        Row(
            f"  the question in other words, {name}",
            f"{other[0]:.3f}; by words alone {other[1]:.3f}",
            f">= {PARAPHRASED:g}",
            other[0] >= PARAPHRASED,
        ),
    ]


async def _mean_recalls(scripts: Sequence[Script], queries: Sequence[str], finder: Finder) -> tuple[float, float]:
    """Return the mean recall of one search for each script, with a finder and by words alone."""
    asked = list(zip(scripts, queries, strict=True))
    found = [_recall(script, await _search(script, [query], finder=finder)) for script, query in asked]
    words = [_recall(script, await _search(script, [query])) for script, query in asked]
    return statistics.fmean(found), statistics.fmean(words)


class Remembering(Embeddings):
    """An embeddings model that embeds a text once: scripts share many statements."""

    def __init__(self, model: Embeddings, name: str) -> None:
        self._model, self.model = model, name
        self._known: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= zip(new, self._model.embed_documents(new) if new else [], strict=True)
        return [self._known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._model.embed_query(text)


async def _search(
    script: Script, queries: Sequence[str], noise: str = "off", finder: Finder | None = None
) -> list[Window]:
    """Return the five best windows of each query."""
    perception = ScriptedPerception(ScriptLibrary.of([script]), noise)
    numbers = tuple(range(1, len(script.videos) + 1))
    videos = [await perception.probe(script.video(n), n) for n in numbers]
    finder = finder or Finder()
    windows: list[Window] = []
    for query in queries:
        found = await finder.find(Query(query, numbers, None, WINDOWS), perception, videos)
        windows += [Window(video=number, start_s=one.start_s, end_s=one.end_s) for number, one in found.windows]
    return windows


def _decisive(script: Script) -> set[int]:
    return {proof.video for proof in script.evidence}


def _by_title(script: Script) -> list[Window]:
    """Return the five videos whose titles share most words with the question, from beginning to end."""
    asked = set(query_words(script.question))
    numbers = range(1, len(script.videos) + 1)
    best = sorted(numbers, key=lambda n: -len(asked & set(query_words(script.videos[n - 1].title))))[:WINDOWS]
    return [Window(video=n, start_s=0.0, end_s=script.videos[n - 1].duration_s) for n in best]


def _at_random(script: Script, rng: random.Random) -> list[Window]:
    """Return five scenes."""
    scenes = [(n, scene) for n, video in enumerate(script.videos, start=1) for scene in video.scenes]
    return [Window(video=n, start_s=scene.start_s, end_s=scene.end_s) for n, scene in rng.sample(scenes, WINDOWS)]


def _recall(script: Script, windows: Sequence[Window]) -> float:
    """Return the share of the decisive videos of which a window overlaps the evidence."""
    hit = {proof.video for proof in script.evidence for window in windows if window.overlap_s(proof) > 0}
    return len(hit) / len(_decisive(script))


async def _accuracies(scripts: Sequence[Script]) -> list[Row]:
    library = ScriptLibrary.of(scripts)
    figures: list[Row] = []
    ways: Sequence[tuple[str, Callable[[Perception], Perception], bool, str]] = (
        ("with find", lambda perception: perception, True, "off"),
        ("without find", lambda perception: perception, False, "off"),
        ("with find, fitted noise", lambda perception: perception, True, "fitted"),
        ("without find, fitted noise", lambda perception: perception, False, "fitted"),
        ("blind", BlindPerception, False, "off"),
    )
    chance = chance_level(scripts)
    for name, wrap, find, noise in ways:
        scores, spent = await _answered(scripts, wrap(ScriptedPerception(library, noise)), find)
        figures.append(
            Row(f"offline master {name}, score", f"{_with_interval(scores)}; chance {100 * chance:.1f}; {spent}")
        )
    return figures


async def _answered(scripts: Sequence[Script], perception: Perception, find: bool) -> tuple[list[float], str]:
    graph = create_cvr_graph(resolve_chat_model("offline"), perception, features=Features(find=find)).compile()
    scores, frames, sound_s = list[float](), list[float](), list[float]()
    for script in scripts:
        output = await graph.ainvoke(as_input(script.as_question()), context=CVRContext(abstain="never"))
        answer = output["answer"]
        scores.append(
            0.0 if answer is None or answer.value is None else score_answer(script.kind, answer.value, script.key)
        )
        frames.append(output["usage"].frames)
        sound_s.append(output["usage"].audio_s)
    return scores, f"{statistics.fmean(frames):.0f} frames, {statistics.fmean(sound_s):.0f} s of sound"


def _with_interval(scores: Sequence[float]) -> str:
    """Return the mean in percent with its 95 % interval."""
    mean = statistics.fmean(scores)
    half = 1.96 * statistics.stdev(scores) / len(scores) ** 0.5
    return f"{100 * mean:.1f} ({100 * (mean - half):.1f} to {100 * (mean + half):.1f})"
