"""Compare two observations of the same window fact by fact.

A noise-free simulated observation lists the facts that the script holds in a window; another observation of the same
window, live or noisy, is searched for each of them. A fact is a line of text, the colours, a movement, a
description, the words of a caption, or a sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from agentcvr_graph.render import letters_of, read_picture
from agentcvr_graph.types import Evidence, Observation

FactKind = Literal["description", "text", "colours", "motion", "speech", "sound"]
FACT_KINDS: tuple[FactKind, ...] = ("text", "colours", "motion", "description", "speech", "sound")
MISREAD_RATIO = 0.6
"""A differing line with at least this similarity counts as misread, below it as missed."""
HEARD_SHARE = 0.3
"""Minimum share of a caption's words for it to count as heard."""
TIME_SLACK_S = 1.0
"""Tolerance for the time of a short sound."""
_SOUNDS = ("impact", "music", "steady noise")


@dataclass(frozen=True)
class FactMatch:
    """One fact of the script, and whether another observation reports it."""

    kind: FactKind
    seen: bool
    exact: bool
    """Whether it is reported exactly: a line without a wrong letter, the direction of a movement, every word."""
    word_error: float = 0.0
    """For speech that was heard: wrong or missing words as a share of the caption's."""
    shift_s: tuple[float, float] | None = None
    """For speech that was heard: how far its ends lie from the script's."""


def match_facts(clean: Observation, other: Observation) -> list[FactMatch]:
    """Look up every fact of the clean observation in another one of the same windows."""
    if clean.modality == "audio":
        return [found for said in clean.evidence for found in _heard(said, other)]
    return [found for said in clean.evidence for found in _seen(said, other)]


def _seen(said: Evidence, other: Observation) -> Iterator[FactMatch]:
    description, lines, colours, motion = read_picture(said.text)
    rivals = [read_picture(e.text) for e in _meeting(said, other)]
    for line in lines:
        best = max((_likeness(line, rival) for _, found, _, _ in rivals for rival in found), default=0.0)
        yield FactMatch("text", best >= MISREAD_RATIO, best == 1.0)
    if colours:
        named = any(set(colours) <= set(found) for _, _, found, _ in rivals)
        yield FactMatch("colours", named, named)
    if motion and motion != "still":
        moves = [found for *_, found in rivals if found.startswith("something moves")]
        yield FactMatch("motion", bool(moves), motion in moves)
    if description:
        described = any(_likeness(description, found) >= MISREAD_RATIO for found, *_ in rivals)
        yield FactMatch("description", described, described)


def _heard(said: Evidence, other: Observation) -> Iterator[FactMatch]:
    if said.text.startswith('"'):
        yield _speech(said, other)
    elif said.text in _SOUNDS:
        there = any(e.text == said.text for e in _meeting(said, other, TIME_SLACK_S))
        yield FactMatch("sound", there, there)


def _speech(said: Evidence, other: Observation) -> FactMatch:
    wanted = _words(said.text)
    spoken = [e for e in _meeting(said, other) if e.text.startswith('"')]
    heard = [word for e in spoken for word in _words(e.text)]
    errors = _word_errors(wanted, heard)
    if errors > 1 - HEARD_SHARE:
        return FactMatch("speech", seen=False, exact=False)
    windows = [e.window for e in spoken if e.window]
    assert said.window is not None
    shift_s = (
        min(window.start_s for window in windows) - said.window.start_s,
        max(window.end_s for window in windows) - said.window.end_s,
    )
    return FactMatch("speech", seen=True, exact=not errors, word_error=errors, shift_s=shift_s)


def _meeting(said: Evidence, other: Observation, slack_s: float = 0.0) -> list[Evidence]:
    """Return the statements whose window overlaps that of another one, give or take `slack_s`."""
    if said.window is None:
        return []
    wide = said.window.model_copy(
        update={"start_s": said.window.start_s - slack_s, "end_s": said.window.end_s + slack_s}
    )
    return [e for e in other.evidence if e.window is not None and e.window.overlap_s(wide) > 0]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, letters_of(one), letters_of(other), autojunk=False).ratio()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.casefold())


def _word_errors(wanted: list[str], heard: list[str]) -> float:
    """Return wrong or missing words as a share of the wanted ones; additional words belong to another caption."""
    matches = sum(block.size for block in SequenceMatcher(None, wanted, heard, autojunk=False).get_matching_blocks())
    return 1 - matches / len(wanted) if wanted else 0.0
