"""The speech recogniser itself, pocketsphinx with the model in its wheel: from samples to words.

The recogniser finds English words in everything: in babble, in other languages, in noise. So voice detection comes
first, and what is left is reported only if the recogniser is sure of it; the rest becomes `UNCLEAR_SPEECH`. It cannot
tell which language it does not understand.

It holds the interpreter's lock while it works, so `speech.py` calls it in worker processes.
"""

from __future__ import annotations

import functools
import math
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

import numpy as np

from agentcvr_graph.media.sound import quietest_s
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Samples
from agentcvr_graph.models.offline.voices import voiced_parts
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.utils.cancellation import raise_if_cancelled

LONGEST_UTTERANCE_S = 6.0
"""Longer utterances are split, because a long one takes the recogniser long and cannot be cancelled."""
LEAST_LOG_PROB = -1.0
"""Log probability of an utterance among all that the recogniser considered, divided by its words, below which it is
unclear. Clear voices have -0.3 to -0.9, another language and speech in noise -1.2 to -3.6."""
_FRAME_S = 0.01
_FILLER = re.compile(r"^[<\[+].*")
_SAY_NOTHING = frozenset(
    ("a", "an", "and", "at", "but", "for", "in", "is", "it", "of", "on", "or", "that", "the", "to", "with")
)
"""No utterance consists of these words alone; they are what the recogniser makes of a drum or a sigh."""


_deciding = threading.Lock()
"""Held while an utterance is recognised, where threads call this module because no processes can be started."""


class _Segment(Protocol):
    """A recognised word or filler; its first and last frame count from the start of the utterance."""

    word: str
    start_frame: int
    end_frame: int


class _Hypothesis(Protocol):
    """What the recogniser takes for an utterance."""

    prob: float


class _Decoder(Protocol):
    """The methods of pocketsphinx's decoder that this module calls; pocketsphinx itself is untyped."""

    def reinit_feat(self) -> None: ...

    def start_utt(self) -> None: ...

    def process_raw(self, data: bytes, *, full_utt: bool) -> object: ...

    def end_utt(self) -> None: ...

    def hyp(self) -> _Hypothesis | None: ...

    def seg(self) -> Iterable[_Segment] | None: ...


def load() -> None:
    """Load the recogniser and voice detection."""
    voiced_parts(np.zeros(SAMPLE_RATE_HZ, np.float32))
    _decoder()


def recognised(samples: Samples) -> list[Cue]:
    """Return the words, or `UNCLEAR_SPEECH` for an utterance, with their times from the start of the samples."""
    parts = [short for start, end in voiced_parts(samples) for short in _shortened(samples, start, end)]
    return [word for start, end in parts for word in _recognise(samples, start, end)]


def _recognise(samples: Samples, start: int, end: int) -> list[Cue]:
    part = samples[start:end]
    pcm = (part / max(1e-6, float(np.abs(part).max())) * 0.9 * 32767).astype(np.int16)
    with _deciding:
        raise_if_cancelled()
        decoder = _decoder()
        decoder.reinit_feat()  # without this, the last utterance influences this one
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        words = list(_words(decoder.seg() or (), start / SAMPLE_RATE_HZ)) if found else []
    if found is None or not is_sure(found.prob, [word.text for word in words]):
        return [Cue(start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, UNCLEAR_SPEECH)]
    return words


@functools.cache
def _decoder() -> _Decoder:
    from pocketsphinx import Decoder  # pyright: ignore[reportUnknownVariableType]

    # "batch" normalises within the utterance, so that the result does not depend on earlier utterances.
    return cast(_Decoder, Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL", cmn="batch"))


def is_sure(probability: float, words: list[str]) -> bool:
    """Return whether the words of an utterance are likely what was said.

    >>> is_sure(0.1, ["olive", "oil"]), is_sure(0.01, ["olive", "oil"]), is_sure(1.0, ["the"])
    (True, False, False)
    """
    likely = math.log(max(probability, 1e-300)) >= LEAST_LOG_PROB * len(words)
    return likely and not _SAY_NOTHING.issuperset(words)


def _words(segments: Iterable[_Segment], shift_s: float) -> Iterator[Cue]:
    for s in segments:
        if not _FILLER.match(s.word):
            word = re.sub(r"\(\d+\)$", "", s.word)
            yield Cue(shift_s + s.start_frame * _FRAME_S, shift_s + (s.end_frame + 1) * _FRAME_S, word)


def _shortened(samples: Samples, start: int, end: int) -> list[tuple[int, int]]:
    """Split a part into pieces of at most `LONGEST_UTTERANCE_S`, each time at the quietest point near the middle."""
    length = end - start
    if length <= LONGEST_UTTERANCE_S * SAMPLE_RATE_HZ:
        return [(start, end)]
    middle = samples[start + length // 3 : end - length // 3]
    cut = start + length // 3 + round(quietest_s(middle) * SAMPLE_RATE_HZ)
    return [*_shortened(samples, start, cut), *_shortened(samples, cut, end)]
