"""Speech recognition: word error, words where nobody speaks, and processor time of both recognisers.

    python -m tests.benchmarks speech --recordings DIR --recordings DIR

DIR holds recordings, each with a text of the same name that states what is said: `talk.mp3` and `talk.txt`. An empty
text means that no word is said that can be understood; recordings in other languages do not belong there. Each DIR
has its own rows. The voices of flite and the sounds without words are made here.

The recognisers hear the same recordings in turns, as a run hears them: in cells of about 15 s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.models.base import AudioModel
from agentcvr_graph.types import Video
from tests.benchmarks.made_sounds import voices, wordless
from tests.benchmarks.recognisers import (
    NAMES,
    Errors,
    Recording,
    errors,
    heard_words,
    recogniser,
    recordings_in,
    spent_s,
    total,
)
from tests.benchmarks.rows import Row, ratio

MOST_WORD_ERROR = 0.05


def rows(folders: Sequence[Path]) -> Iterator[Row]:
    """Yield the rows of each recogniser for each folder, the voices of flite, and sounds without words."""
    models = {name: recogniser(name) for name in NAMES}
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        for folder in folders:
            yield from compared(folder.name, recordings_in(folder), models)
        yield from compared("flite, clean", voices(made / "clean", noise_db=None), models)
        yield from compared("flite, 15 dB noise", voices(made / "noisy", noise_db=15), models)
        yield from compared("no words", wordless(made / "wordless"), models)


@dataclass
class Tally:
    """The errors of a recogniser and its processor time."""

    errors: list[Errors] = field(default_factory=list[Errors])
    spent_s: float = 0.0

    def of(self, *, spoken: bool) -> Errors:
        """Return the errors in recordings with words, or in those without."""
        return total([Errors(0, 0, 0), *(one for one in self.errors if bool(one.said) == spoken)])


def compared(group: str, recordings: Sequence[Recording], models: dict[str, AudioModel]) -> Iterator[Row]:
    """Let each model hear each recording, and yield the rows of the recordings and of the group."""
    tallies = {name: Tally() for name in models}
    length_s = 0.0
    with tempfile.TemporaryDirectory() as cache:
        for recording in recordings:
            clip = MediaLibrary(cache_dir=Path(cache)).open(Video(source=str(recording.path)))
            length_s += clip.info.duration_s
            for name, model in models.items():
                before = spent_s()
                found = errors(recording.said, heard_words(model, clip))
                tallies[name].spent_s += spent_s() - before
                tallies[name].errors.append(found)
                yield Row(f"{group}, {name}, {recording.path.name}", str(found))
    for name, tally in tallies.items():
        yield from _summary(f"{group}, {name}", tally, length_s)
    whisper, offline = (tallies[name].spent_s for name in NAMES)
    if any(recording.said for recording in recordings):
        yield ratio(f"{group}, processor time of offline over whisper", offline / whisper, 1.5)


def _summary(what: str, tally: Tally, length_s: float) -> Iterator[Row]:
    spoken, silent = tally.of(spoken=True), tally.of(spoken=False)
    if spoken.said:
        target = ("<= 0.05", spoken.rate <= MOST_WORD_ERROR) if "whisper" in what else ("", None)
        yield Row(f"{what}, word error", str(spoken), *target)
    if len(tally.errors) > sum(one.said > 0 for one in tally.errors):
        yield Row(f"{what}, invented words", str(silent.wrong), "0", silent.wrong == 0)
    yield Row(f"{what}, processor seconds a second of sound", f"{tally.spent_s / length_s:.2f}")
