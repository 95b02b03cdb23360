"""Turn what a screen shows from cue to cue into words that are said once.

Automatic captions roll: a cue repeats the line before it and adds one, or shows a sentence growing word by word. Layers
of effects show one line several times at once. Read one after another, such cues say everything twice.

A cue that adjoins or overlaps an earlier one is compared with it line by line. Lines that were on the screen already
last longer; only what is new becomes a cue, with the times of its words if the file states them for all of its lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentcvr_graph.media.types import Cue
from agentcvr_graph.types import WordTimes

_ADJOINING_S = 0.06
"""Cues that follow one another within this time, in seconds, are one picture that changes."""
_COMPARED = 8
"""Number of earlier cues that a cue is compared with."""


class Shown(NamedTuple):
    """A cue as it stands in a file: its time, and the lines that it shows."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    times_s: tuple[WordTimes, ...] = ()
    """When each word of each line is said; empty for a line without such times, and if there are none at all."""


@dataclass
class _Said:
    """Words that are said once, with the screen on which they were last seen."""

    start_s: float
    end_s: float
    text: str
    screen: tuple[str, ...]
    screen_end_s: float
    word_times_s: WordTimes = ()


def said_once(cues: Iterable[Shown]) -> tuple[Cue, ...]:
    """Return the words of the cues in order of time, each said once; cues that end before they start are no cues."""
    said: list[_Said] = []
    for cue in sorted(cues, key=lambda cue: cue.start_s):
        start_s, lines = max(0.0, cue.start_s), tuple(line for line in cue.lines if line)
        times_s = [times_s for line, times_s in zip(cue.lines, cue.times_s, strict=False) if line]
        if lines and cue.end_s > start_s:
            _add(said, start_s, cue.end_s, lines, times_s)
    return tuple(Cue(one.start_s, one.end_s, one.text, one.word_times_s) for one in said)


def _add(said: list[_Said], start_s: float, end_s: float, lines: tuple[str, ...], times_s: Sequence[WordTimes]) -> None:
    for earlier in reversed(said[-_COMPARED:]):
        if earlier.screen_end_s < start_s - _ADJOINING_S:
            continue
        repeated = _repeated(earlier.screen, lines)
        if not repeated:
            continue
        last, kept = earlier.screen[-1], lines[repeated - 1]
        if last != kept:  # the last line grows
            earlier.text, earlier.word_times_s = earlier.text.removesuffix(last) + kept, ()
        earlier.screen, earlier.screen_end_s = lines, max(earlier.screen_end_s, end_s)
        new = lines[repeated:]
        if not new or last != kept:
            earlier.end_s = max(earlier.end_s, end_s)
        if new:
            said.append(_Said(start_s, end_s, " ".join(new), lines, end_s, _times_of_all(times_s[repeated:])))
        return
    said.append(_Said(start_s, end_s, " ".join(lines), lines, end_s, _times_of_all(times_s)))


def _times_of_all(lines: Sequence[WordTimes]) -> WordTimes:
    """Return the times of the words of several lines; none if those of a line are not known."""
    return tuple(time_s for times_s in lines for time_s in times_s) if all(lines) else ()


def _repeated(before: tuple[str, ...], now: tuple[str, ...]) -> int:
    """Return how many of the first lines of a cue were the last lines of an earlier one; the last of them may grow."""
    for count in range(min(len(before), len(now)), 0, -1):
        *same, last = before[-count:]
        if tuple(same) == now[: count - 1] and _grows(last, now[count - 1]):
            return count
    return 0


def _grows(before: str, now: str) -> bool:
    """Return whether a line is another one, or another one and more words; not every script parts words by spaces."""
    more = now.removeprefix(before)
    return now.startswith(before) and (not more or more.startswith(" ") or not before[-1].isascii())
