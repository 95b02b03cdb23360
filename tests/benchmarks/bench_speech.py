"""Speech recognition on recordings: word error, processor time, memory, and words where nobody speaks.

    python -m tests.benchmarks speech --recordings DIR

DIR holds recordings, each with a text of the same name that states what is said: `talk.mp3` and `talk.txt`. An empty
text means that nobody says a word that can be understood. Both recognisers hear the same recordings in turns, as a run
hears them: in cells of about 15 s. Word error counts English recordings with words.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jiwer

from agentcvr_graph.media.base import Clip
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import AudioModel
from agentcvr_graph.models.registry import resolve_audio
from agentcvr_graph.perception.audio_cells import cell_sound, cells_of
from agentcvr_graph.types import Video, Window
from tests.benchmarks.rows import Row, ratio
from tests.support.disk_cache import VARIABLE
from tests.support.whisper_weights import whisper_base


def rows(recordings: Path) -> Iterator[Row]:
    """Yield the rows of each recogniser, and their comparison."""
    os.environ.setdefault(VARIABLE, str(Path(tempfile.gettempdir()) / "agentcvr-test-cache"))
    models = {"whisper base": resolve_audio(f"whisper:{whisper_base()}"), "offline": resolve_audio("offline")}
    spent = dict.fromkeys(models, 0.0)
    said: dict[str, list[tuple[str, str]]] = {name: [] for name in models}
    length_s = 0.0
    with tempfile.TemporaryDirectory() as cache:
        for path, reference in _recordings(recordings):
            media = MediaLibrary(cache_dir=Path(cache)).open(Video(source=str(path)))
            length_s += media.info.duration_s
            for name, model in models.items():
                before = time.process_time()
                heard = _heard(model, media)
                spent[name] += time.process_time() - before
                said[name].append((reference, heard))
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                yield Row(f"{name}, {path.name}", _figure(reference, heard) + f", peak {peak} MB so far")
    for name in models:
        yield from _summary(name, said[name], spent[name] / length_s)
    yield ratio("processor time of offline over whisper base", spent["offline"] / spent["whisper base"], 1.5)


def _recordings(folder: Path) -> Iterator[tuple[Path, str]]:
    for text in sorted(folder.glob("*.txt")):
        for path in sorted(folder.glob(f"{text.stem}.*")):
            if path != text:
                yield path, _plain(text.read_text(encoding="utf-8"))


def _heard(model: AudioModel, clip: Clip) -> str:
    """Return the words that a model hears in a recording; subtitles are left out."""
    duration_s = clip.info.duration_s
    sounds = [cell_sound(clip, number) for number in cells_of(Window(video=1, start_s=0, end_s=duration_s), duration_s)]
    outputs = [asyncio.run(model.hear(sound, "")) for sound in sounds]
    quotes = [one.text for output in outputs for one in output.evidence if one.text.startswith('"')]
    return _plain(" ".join(quotes))


def _figure(reference: str, heard: str) -> str:
    if not reference:
        return f"{len(heard.split())} invented words"
    return f"word error {jiwer.wer(reference, heard):.3f}, {len(heard.split())} of {len(reference.split())} words"


def _summary(name: str, said: list[tuple[str, str]], cost: float) -> Iterator[Row]:
    spoken = [pair for pair in said if pair[0]]
    target = name.startswith("whisper")
    if spoken:
        error = jiwer.wer([reference for reference, _ in spoken], [heard for _, heard in spoken])
        yield Row(f"{name}, word error", f"{error:.3f}", "<= 0.05" if target else "", error <= 0.05 if target else None)
    invented = sum(len(heard.split()) for reference, heard in said if not reference)
    yield Row(f"{name}, invented words", str(invented), "0", invented == 0)
    yield Row(f"{name}, processor seconds a second of sound", f"{cost:.2f}")


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower().replace("-", "")).split())
