"""Compare a claim with the statements about a window by their words: the offline judge of the feature `verify`.

A claim is supported if one statement has most of its words (or all statements together have nearly all of them), all of
its numbers, times and dates, and no conflict with it. Two texts conflict if they are about the same thing and one is
negated and the other is not, or if they name different numbers, times, dates, colours, days, months or opposites. Few
shared words are unclear: the absence of a statement refutes nothing. There are no synonyms, and only English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.language import (
    LONG_WORD,
    clauses,
    clock_minutes,
    content_words,
    day_of_year,
    may_be_misread,
    numbers,
    without_times,
)
from agentcvr_graph.models.offline.palette import PALETTE
from agentcvr_graph.render import read_picture
from agentcvr_graph.types import Verdict

ENOUGH = 0.8
"""Share of the claim's words that one statement must have to support it."""
ENOUGH_TOGETHER = 0.9
"""The same share for all statements of the window together."""
SAME_THING = 0.5
"""Share of the claim's words, besides the conflict, from which a statement is about the same thing."""
VALUE_WORDS = 4
"""Words for which a number, a time or a date counts."""
_NEGATION = re.compile(r"\b(?:not|no|never|without|nobody|nothing|none|neither|nor|cannot)\b|n['\u2019]t\b", re.I)
_PLACES = re.compile(
    r"\b(?:video|clip|recording|option) #?\d+|\b(?:(?:at|from) )?\d+(?:\.\d+)?(?: ?(?:-|to) ?\d+(?:\.\d+)?)? s\b", re.I
)
"""Names of videos and times of windows: the window that is checked, not a part of what happens there."""
_FORM = re.compile(r"\bon-screen text\b|\bmostly\b|\bsomething moves\b|\bstill$")
"""The words with which every statement about a picture is written."""
_REPORTING = stems(
    "voice speaker narrator screen text word words sign signs caption title picture image frame scene camera view "
    "visible read reads readable display displays displayed appear appears written writes shown heard speech sound "
    "audio window moment part there"
)
"""Words with which a claim says how something is known: that it is read, shown or heard."""
_WORD = re.compile(r"\w+")
_LOOKALIKES = str.maketrans("0158", "oisb")
_OPPOSITES = (
    "left/right up/down upwards/downwards in/out inside/outside on/off open/close/shut hot/cold more/less/fewer "
    "increase/decrease rise/fall raise/lower high/low big/small large/small long/short fast/slow early/late "
    "before/after first/last start/stop begin/end add/remove push/pull enter/leave arrive/depart buy/sell win/lose "
    "full/empty wet/dry man/woman men/women boy/girl male/female always/never old/new old/young same/different "
    "above/below over/under forward/backward near/far day/night morning/evening indoors/outdoors alone/together "
    "lock/unlock with/without"
)
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_MONTHS = "january february march april june july august september october november december"
_COLOURS = {word for name in PALETTE for word in name.split()} - {"dark", "light"}


def _form(word: str) -> str:
    """Return the stem of a word, or the word itself if it is too short to have one."""
    return next(iter(stems(word)), word)


_GROUPS: tuple[frozenset[str], ...] = (
    *(frozenset(map(_form, words.split("/"))) for words in _OPPOSITES.split()),
    *(frozenset(map(_form, words)) for words in (_DAYS.split(), _MONTHS.split(), _COLOURS)),
    frozenset({"dark", "light"}),
)
"""Words of which one excludes the others."""


def compare(claim: str, statements: Sequence[str]) -> tuple[Verdict, str]:
    """Return the verdict on a claim, and the reason in a few words.

    >>> compare("a cook adds two eggs", ["a cook adds three eggs to the pan"])
    ('contradicted', 'the claim has 2, the window 3')
    """
    claim = _PLACES.sub(" ", claim)
    wanted = Wanted.of(claim)
    if not wanted.total:
        return "unclear", "the claim has no words that can be compared"
    ranked = sorted(((wanted.share(said), said) for said in statements), key=lambda found: -found[0])
    near = [said for share, said in ranked if share >= ENOUGH]
    together = " ; ".join(statements)
    if not near and wanted.share(together) >= ENOUGH_TOGETHER:
        near = [together]
    if any(wanted.in_full(said) and not _conflict(claim, said) for said in near):
        return "supported", ""
    for _, said in ranked:
        if (found := _conflict(claim, said)) and _same_thing(claim, said):
            return "contradicted", found
    found = round(ranked[0][0] * 100) if ranked else 0
    return "unclear", f"the window has {found} % of the claim"


@dataclass(frozen=True)
class Wanted:
    """What a statement must have to support a claim."""

    words: frozenset[str]
    """Stems of words."""
    values: frozenset[tuple[str, float]]
    """Numbers, times of day and dates. All of them must be there."""
    lines: tuple[str, ...] = ()
    """Lines of on-screen text that the claim quotes. All of their words must be there."""

    @classmethod
    def of(cls, claim: str) -> Wanted:
        """Return what a claim wants: its words that carry content, or all of them if it has nothing else."""
        values, text = _values(claim), without_times(claim)
        words = frozenset(word for word in content_words(_FORM.sub(" ", text)) if not word.isdigit())
        words = words - _REPORTING or words
        if not words and not values:
            words = _forms(text)
        lines = read_picture(claim)[1] if "on-screen text" in claim else ()
        return cls(words, values, tuple(lines))

    def in_full(self, text: str) -> bool:
        """Return whether a text has all values and all lines."""
        return self.values <= _values(text) and all(_has_line(line, text) for line in self.lines)

    @property
    def total(self) -> int:
        return len(self.words) + VALUE_WORDS * len(self.values)

    def share(self, text: str) -> float:
        """Return the share that a text has, from 0 to 1."""
        squeezed = _squeezed(text) if "on-screen text" in text else ""
        read = [_forms(line) for line in self.lines if _squeezed(line) in squeezed]
        held = _forms(text).union(*read)
        found = sum(_held(word, held, squeezed) for word in self.words)
        return (found + VALUE_WORDS * len(self.values & _values(text))) / self.total if self.total else 0.0


def _has_line(line: str, text: str) -> bool:
    """Return whether a text has every word of a line, or the line without its spaces."""
    return _squeezed(line) in _squeezed(text) or Wanted(_forms(line), frozenset()).share(text) == 1


def _forms(text: str) -> frozenset[str]:
    return frozenset(_words(text))


def _words(text: str) -> dict[str, str]:
    """Return the words of a text by their stems; a letter that was read as a digit is put right."""
    return {_form(_letters(word)): word for word in _WORD.findall(text.lower())}


def _letters(word: str) -> str:
    mixed = re.search(r"[a-z]{2}", word) and re.search(r"\d", word)
    return word.translate(_LOOKALIKES) if mixed else word


def _squeezed(text: str) -> str:
    return re.sub(r"\W", "", text.lower())


def _values(text: str) -> frozenset[tuple[str, float]]:
    """Return the numbers, the first time of day and the first date of a text; the word `one` is rarely a number."""
    marks = (("time", clock_minutes(text)), ("date", day_of_year(text)))
    stated = numbers(re.sub(r"\bone\b", " ", without_times(text), flags=re.I))
    return frozenset([(name, mark) for name, mark in marks if mark is not None] + [("number", n) for _, n in stated])


def _held(word: str, held: frozenset[str], squeezed: str) -> bool:
    """Return whether a text has a word, perhaps misread, or without the spaces around it as on-screen text is read."""
    if word in held or (len(word) >= LONG_WORD - 1 and word in squeezed):
        return True
    if not word.isalpha():
        return False
    return any(not (word.endswith(other) or other.endswith(word)) and may_be_misread(word, other) for other in held)


def _conflict(claim: str, said: str) -> str:
    """Return in what the two exclude each other; empty if they do not."""
    return next(filter(None, _conflicts(claim, said)), "")


def _conflicts(claim: str, said: str) -> Iterator[str]:
    claimed, shown = _values(claim), _values(said)
    for kind, value in sorted(claimed - shown):
        if others := sorted(other for name, other in shown - claimed if name == kind):
            yield f"the claim has {value:g}, the window {others[0]:g}" if kind == "number" else f"another {kind}"
    for one, other in _excluding(claim, said):
        yield f"the claim has {one!r}, the window {other!r}"
    if _negated_otherwise(claim, said):
        yield "only one of the claim and the window is negated"


def _excluding(claim: str, said: str) -> Iterator[tuple[str, str]]:
    """Yield the words of the claim and of the statement that exclude each other."""
    one, other = _words(claim), _words(said)
    for group in _GROUPS:
        ours, theirs = one.keys() & group, other.keys() & group
        if ours and theirs and not ours & theirs:
            yield one[min(ours)], other[min(theirs)]


def _negated_otherwise(claim: str, said: str) -> bool:
    """Return whether a clause of the claim and the clause that is most like it differ in their negation."""
    for clause in clauses(claim):
        wanted = Wanted.of(clause)
        like = max(clauses(said), key=wanted.share, default="")
        if wanted.share(like) >= SAME_THING and _negated(clause) != _negated(like):
            return True
    return False


def _negated(text: str) -> bool:
    return _NEGATION.search(text) is not None


def _same_thing(claim: str, said: str) -> bool:
    """Return whether a statement has half of the claim's words, without those in which they conflict."""
    conflicting = {_form(word) for word, _ in _excluding(claim, said)}
    rest = Wanted(Wanted.of(claim).words - conflicting, frozenset())
    return not rest.total or rest.share(said) >= SAME_THING
