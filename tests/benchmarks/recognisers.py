"""The recognisers that the benchmarks compare: what they hear in a recording, its errors, and what it costs."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import psutil
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from agentcvr_graph.media.base import Clip
from agentcvr_graph.models.base import AudioModel
from agentcvr_graph.models.registry import resolve_audio
from agentcvr_graph.perception.audio_cells import cell_sound, cells_of
from agentcvr_graph.types import Evidence, Window
from tests.support.disk_cache import VARIABLE
from tests.support.whisper_weights import whisper_base

NAMES = ("whisper base", "offline")
_SPELLING: dict[str, str] = {}
"""British and American spelling stay different."""


def recogniser(name: str) -> AudioModel:
    """Return one of `NAMES`."""
    os.environ.setdefault(VARIABLE, str(Path(tempfile.gettempdir()) / "agentcvr-test-cache"))
    return resolve_audio("offline" if name == "offline" else f"whisper:{whisper_base()}")


@dataclass(frozen=True)
class Recording:
    """A file with sound, and what is said in it; empty if no word is said that can be understood."""

    path: Path
    said: str


def recordings_in(folder: Path) -> list[Recording]:
    """Return the recordings of a folder that stand beside a text of the same name."""
    texts = sorted(folder.glob("*.txt"))
    return [
        Recording(path, text.read_text(encoding="utf-8"))
        for text in texts
        for path in sorted(folder.glob(f"{text.stem}.*"))
        if path != text
    ]


def heard_in(model: AudioModel, clip: Clip) -> list[Evidence]:
    """Return what a model hears in a recording, cell by cell as in a run; subtitles are left out."""
    duration_s = clip.info.duration_s
    sounds = [cell_sound(clip, number) for number in cells_of(Window(video=1, start_s=0, end_s=duration_s), duration_s)]
    return [one for sound in sounds for one in asyncio.run(model.hear(sound, "")).evidence]


def heard_words(model: AudioModel, clip: Clip) -> str:
    """Return the words that a model hears in a recording."""
    return " ".join(one.text for one in heard_in(model, clip) if one.text.startswith('"'))


@dataclass(frozen=True)
class Errors:
    """How many words were said, stated wrongly or in addition, and left out."""

    said: int
    wrong: int
    left_out: int

    def __str__(self) -> str:
        if not self.said:
            return f"{self.wrong} invented words"
        rate = (self.wrong + self.left_out) / self.said
        return f"{rate:.3f}: {self.wrong} wrong, {self.left_out} left out of {self.said} words"

    @property
    def rate(self) -> float:
        """Return the word error."""
        return (self.wrong + self.left_out) / self.said


def errors(said: str, heard: str) -> Errors:
    """Compare words as is usual: without case and signs, numbers as digits, contractions written out."""
    reference, hypothesis = map(EnglishTextNormalizer(_SPELLING), (said, heard))
    if not reference:
        return Errors(0, len(hypothesis.split()), 0)
    found = jiwer.process_words(reference, hypothesis)
    return Errors(len(reference.split()), found.substitutions + found.insertions, found.deletions)


def total(counts: Sequence[Errors]) -> Errors:
    """Add up the counts."""
    said, wrong = sum(one.said for one in counts), sum(one.wrong for one in counts)
    return Errors(said, wrong, sum(one.left_out for one in counts))


def spent_s() -> float:
    """Return the processor time of this process and its worker processes, in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in _processes())


def resident_mb() -> float:
    """Return the memory of this process and its worker processes, in MB."""
    return sum(process.memory_info().rss for process in _processes()) / 1e6


def _processes() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]
