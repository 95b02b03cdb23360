"""Speech recognition for clear English: statements with times. `sphinx.py` is the recogniser."""

from __future__ import annotations

from collections.abc import Iterator

from agentcvr_graph.media.types import Cue
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.offline.sphinx import recognised
from agentcvr_graph.models.offline.voices import PAUSE_S, UNCLEAR_S
from agentcvr_graph.render import UNCLEAR_SPEECH, spoken
from agentcvr_graph.types import Evidence, Window, later
from agentcvr_graph.utils.worker_processes import run_in_worker

ENGLISH_ONLY = "speech that is not clear English was not recognised"
"""Note on unclear speech."""


class Recogniser:
    """An `AudioModel` that recognises words only."""

    name = "pocketsphinx-5"

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Return one statement for each utterance, in order of time."""
        words = await run_in_worker(recognised, sound.samples)
        unclear = any(one.text == UNCLEAR_SPEECH and one.end_s - one.start_s >= UNCLEAR_S for one in words)
        return ModelOutput(evidence=tuple(utterances(words, sound.window)), notes=(ENGLISH_ONLY,) if unclear else ())


def utterances(words: list[Cue], window: Window) -> Iterator[Evidence]:
    """Yield the words joined up to the next pause, and unclear speech, with their times in the video."""
    said: list[Cue] = []
    for word in words:
        if said and (word.start_s - said[-1].end_s > PAUSE_S or _is_unclear(word) != _is_unclear(said[-1])):
            yield _utterance(said, window)
            said = []
        said.append(word)
    if said:
        yield _utterance(said, window)


def _is_unclear(word: Cue) -> bool:
    return word.text == UNCLEAR_SPEECH


def _utterance(said: list[Cue], window: Window) -> Evidence:
    start_s = window.start_s + said[0].start_s
    end_s = min(window.end_s, window.start_s + said[-1].end_s)
    placed = Window(video=window.video, start_s=start_s, end_s=end_s)
    if _is_unclear(said[0]):
        return Evidence(text=UNCLEAR_SPEECH, window=placed)
    times_s = later(tuple((word.start_s, word.end_s) for word in said), window.start_s)
    return Evidence(text=spoken(" ".join(word.text for word in said)), window=placed, word_times_s=times_s)
