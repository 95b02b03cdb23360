"""Search in libraries of 100 scripted videos (task LIB), and what it is worth to the offline master.

- **Recall@5**: whether one of the five best windows of one search overlaps a window that decides the question. The
  query is the question's text, nothing else. A question about two videos counts half for each. Beside it: five windows
  at random, five videos by the words of their titles, and the question in other words (`paraphrases.py`), which share
  none with the statements; and the same with an embeddings model, where its weights are installed.
- **The offline master** with and without `find` at the same budget, and without any evidence (blind): the share of the
  score that it reaches, with a 95 % interval over the questions.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
from tests.benchmarks.paraphrases import paraphrased, reworded
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
Windows = Sequence[Window]


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    scripts = list(make_scripts({"LIB": LIBRARIES}, FIRST_SEED, LEVELS["normal"]))
    yield from asyncio.run(_by_words(scripts))
    yield from asyncio.run(_with_embeddings(scripts))
    for name, wrap, find, noise in _WAYS:
        yield asyncio.run(_accuracy(scripts, name, wrap, find, noise))


async def _by_words(scripts: Sequence[Script]) -> list[Row]:
    rng, finder = random.Random(0), Finder()
    own, clauses, other, noisy = list[float](), list[float](), list[list[float]](), list[float]()
    for script in scripts:
        search = await _searching(script, finder)
        own.append(_recall(script, await search(script.question)))
        found = [await search(query) for query in question_queries(script.question)]
        clauses.append(_recall(script, [window for windows in found for window in windows]))
        other.append([_recall(script, await search(change(script.question))) for change in (reworded, paraphrased)])
        noisy.append(_recall(script, await (await _searching(script, finder, "fitted"))(script.question)))
    titles = statistics.fmean(_recall(script, _by_title(script)) for script in scripts)
    drawn = statistics.fmean(_recall(script, _at_random(script, rng)) for script in scripts)
    found = statistics.fmean(own)
    other_words = [statistics.fmean(figures) for figures in zip(*other, strict=True)]
    return [
        Row(
            f"recall@5 of the decisive window, {len(scripts)} libraries of 100 videos, one search for the question",
            f"{found:.3f}; random {drawn:.3f}, by title {titles:.3f}",
            f">= {LEXICAL:g}",
            found >= LEXICAL,
        ),
        *(
            Row(f"  of questions about {name}", f"{statistics.fmean(part):.3f} of {len(part)}")
            for name, count in (("one video", 1), ("two videos", 2))
            if (part := [one for one, script in zip(own, scripts, strict=True) if len(_decisive(script)) == count])
        ),
        Row("  with one search more for each clause, five windows of each", f"{statistics.fmean(clauses):.3f}"),
        Row("  with the noise of the offline models (fitted)", f"{statistics.fmean(noisy):.3f}"),
        Row("  the question in other words", f"{other_words[0]:.3f}; word by word {other_words[1]:.3f}"),
    ]


async def _with_embeddings(scripts: Sequence[Script]) -> list[Row]:
    os.environ.setdefault(VARIABLE, str(Path(tempfile.gettempdir()) / "agentcvr-test-cache"))
    try:
        folder = minilm()
    except PackageNotFoundError:
        return [Row("  with embeddings", f"not measured: the package {PACKAGE} is not installed")]
    model = Remembering(*resolve_embeddings(f"transformers:{folder}"))
    finder = Finder(Meaning(model, "all-MiniLM-L6-v2"))
    figures = list[list[float]]()
    for script in scripts:
        search = await _searching(script, finder)
        asked = [change(script.question) for change in (str, reworded, paraphrased)]
        figures.append([_recall(script, await search(question)) for question in asked])
    own, other, by_word = (statistics.fmean(column) for column in zip(*figures, strict=True))
    return [
        Row("  the question, with embeddings (all-MiniLM-L6-v2)", f"{own:.3f}"),
        Row(
            "  the question in other words, with embeddings",
            f"{other:.3f}; word by word {by_word:.3f}",
            f">= {PARAPHRASED:g}",
            other >= PARAPHRASED,
        ),
    ]


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


async def _searching(script: Script, finder: Finder, noise: str = "off") -> Callable[[str], Awaitable[Windows]]:
    """Return a search for the five best windows of a library, which the finder indexes once."""
    perception = ScriptedPerception(ScriptLibrary.of([script]), noise)
    numbers = tuple(range(1, len(script.videos) + 1))
    videos = [await perception.probe(script.video(n), n) for n in numbers]

    async def search(query: str) -> Windows:
        found = await finder.find(Query(query, numbers, None, WINDOWS), perception, videos)
        return [Window(video=number, start_s=one.start_s, end_s=one.end_s) for number, one in found.windows]

    return search


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


_WAYS: Sequence[tuple[str, Callable[[Perception], Perception], bool, str]] = (
    ("with find", lambda perception: perception, True, "off"),
    ("without find", lambda perception: perception, False, "off"),
    ("with find, fitted noise", lambda perception: perception, True, "fitted"),
    ("without find, fitted noise", lambda perception: perception, False, "fitted"),
    ("blind", BlindPerception, False, "off"),
)


async def _accuracy(
    scripts: Sequence[Script], name: str, wrap: Callable[[Perception], Perception], find: bool, noise: str
) -> Row:
    scores, spent = await _answered(scripts, wrap(ScriptedPerception(ScriptLibrary.of(scripts), noise)), find)
    chance = 100 * chance_level(scripts)
    return Row(f"offline master {name}, score", f"{_with_interval(scores)}; chance {chance:.1f}; {spent}")


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
