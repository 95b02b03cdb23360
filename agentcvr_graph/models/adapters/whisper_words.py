"""From what Whisper writes to statements: which segments are unclear, and where a sentence ends. Imports no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.media.types import Cue
from agentcvr_graph.render import UNCLEAR_SPEECH
from agentcvr_graph.types import WordTimes

LEAST_WORD = 0.6
"""Mean probability of a segment's words below which it is unclear. Clear speech has 0.9, speech that is played
backwards 0.3 to 0.5."""
LEAST_LOG_PROB = -1.0
"""Whisper's own limit: below this mean log probability of its words, a segment is wrong ..."""
MOST_COMPRESSION = 2.4
"""... and above this ratio of compression it repeats itself."""
PAUSE_S = 1.0
"""A pause of this length ends a statement."""
ENGLISH = "en"
_ENDS = (".", "?", "!", "\u3002", "\uff1f", "\uff01")


@dataclass(frozen=True)
class Spoken:
    """The statements of at most half a minute, in seconds from the start of the samples, and their language."""

    cues: tuple[Cue, ...]
    language: str
    """Empty if no language is likely."""


def statements(segment: Any) -> Iterator[Cue]:
    """Yield the words of a segment, or that it is unclear."""
    if _is_unclear(segment):
        yield Cue(segment.start, segment.end, UNCLEAR_SPEECH)
    else:
        yield from (Cue(word.start, word.end, word.word, ((word.start, word.end),)) for word in segment.words)


def _is_unclear(segment: Any) -> bool:
    odd = segment.avg_logprob < LEAST_LOG_PROB or segment.compression_ratio > MOST_COMPRESSION
    words: Sequence[Any] = segment.words or ()
    return odd or not words or sum(word.probability for word in words) / len(words) < LEAST_WORD


def joined(cues: Sequence[Cue]) -> list[Cue]:
    """Join words to sentences, which end with a full stop or a pause, and neighbouring parts of unclear speech."""
    said: list[Cue] = []
    for cue in cues:
        last = said[-1] if said else None
        if last is None or cue.start_s - last.end_s > PAUSE_S or _is_apart(last.text, cue.text):
            said.append(cue)
        elif cue.text == UNCLEAR_SPEECH:
            said[-1] = Cue(last.start_s, cue.end_s, UNCLEAR_SPEECH)
        else:
            said[-1] = Cue(last.start_s, cue.end_s, last.text + cue.text, _word_times_s(last, cue))
    return said


def _word_times_s(last: Cue, cue: Cue) -> WordTimes:
    """Return the times of the words of two cues. Without a space before it, the second ends the word of the first."""
    before, after = last.word_times_s, cue.word_times_s
    if not before or cue.text[:1].isspace():
        return before + after
    return (*before[:-1], (before[-1][0], cue.end_s), *after[1:])


def _is_apart(before: str, after: str) -> bool:
    if UNCLEAR_SPEECH in (before, after):
        return before != after
    return before.endswith(_ENDS)
