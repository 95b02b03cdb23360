"""How far the evidence supports a verdict of the offline master, from 0 (a guess) to 1.

`answering.py` always returns the best value there is. This module decides what to think of it. A value counts as
supported if the statements that it rests on have most of the words that the question asks about, each clause for
itself, with all of its numbers, names and quoted texts, if every thing that it names is somewhere in the evidence
(`marks.py`), and if nothing speaks against it: the statement says what the
question asks for (a place for "where"), one option is better than all others, a number was stated, and what is to be
seen is not only spoken of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from string import ascii_uppercase

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.answering import Verdict, answer, is_video, option_findings
from agentcvr_graph.models.offline.master.asked import has_asked_kind, has_asked_noun
from agentcvr_graph.models.offline.master.conditions import Finding, conditions_of
from agentcvr_graph.models.offline.master.language import (
    clauses,
    content_words,
    key_words,
    numbers,
    words_of,
)
from agentcvr_graph.models.offline.master.marks import lacks_things, marks_of
from agentcvr_graph.models.offline.master.matching import Matcher
from agentcvr_graph.models.offline.master.planning import reference_window, reference_words
from agentcvr_graph.models.offline.master.reading import Reading, Statement, recognises_pictures
from agentcvr_graph.models.offline.master.searching import parts_of, relevant, searches
from agentcvr_graph.models.offline.master.sentences import answers_type_of, joined_speech
from agentcvr_graph.types import AnswerKind

LEAST = 0.6
"""Smallest share of the question's words, averaged over its clauses, that a supported value rests on."""
_SHOWING = re.compile(
    r"\b(?:shows?|shown|showing|see|seen|sees|visible|appears?|wears?|wearing|holds?|holding)\b", re.I
)
_ONE_OF = re.compile(r"\bone of\b", re.I)
_WHICH = re.compile(r"^\W*(?:in |on )?(?:which|what) (?:of the )?\w+", re.I)
_DESCRIBED = re.compile(
    r"\b(?:in|of|from|on) (?:the|a|one of the) (?:\w+ )?(?:videos?|clips?|recordings?) "
    r"(?:with|in which|where|that|which|showing|whose)\b[^.?!;]*",
    re.I,
)
"""How a question describes the video that it asks about."""
_IN_TIME = re.compile(
    r"\b(?:film\w*|record\w*|shot|times?|clocks?|days?|dates?|chronolog\w*|steps?|segments?|sequence|earli\w+|lat(?:er|est)|"
    r"shuffled|happen\w*)\b",
    re.I,
)
_MEDIUM = stems(
    "picture pictures image images frame frames colour colours color colors mostly mainly dominant appear appears "
    "sound sounds noise recording background word words text screen number name named called "
    "sign signs written write read reads label caption"
)
"""Words about the medium. They are in few statements, whatever these are about."""


def support_of(reading: Reading, verdict: Verdict) -> float:
    """Return how well the evidence supports a verdict; 0 for one that is a guess."""
    if not verdict.support:
        return 0.0
    fitting = relevant(reading)
    share = _SHARES.get(reading.kind, _share_of_question)(fitting, verdict)
    lacks = _lacks_marks(fitting, verdict) or _lacks_things(reading, verdict)
    return share if share >= LEAST and not lacks else 0.0


def is_undecided(reading: Reading) -> bool:
    """Return whether statements would answer a question without its options, so that the options are what fails."""
    without = replace(reading, kind="text", options=[])
    return reading.kind in ("choice", "choices") and support_of(without, answer(without)) > 0


def _lacks_marks(reading: Reading, verdict: Verdict) -> bool:
    """Return whether the statements lack a number, a name or a quoted text of the question.

    What describes the video ("in the video with EXIT 12") may be in another statement about that video.
    """
    if reading.kind == "order":
        return False
    texts = [statement.text for statement in _in_context(verdict.support, reading)]
    videos = {statement.window.video for statement in verdict.support}
    around = [*texts, *(statement.text for statement in reading.statements if statement.window.video in videos)]
    described = [marks_of(part) for part in _DESCRIBED.findall(reading.question)]
    asked = marks_of(_DESCRIBED.sub(" ", reading.question))
    return asked.missing(texts) or any(marks.missing(around) for marks in described)


def _lacks_things(reading: Reading, verdict: Verdict) -> bool:
    """Return whether a thing that the question names is nowhere in the evidence; a window may stand for it."""
    pointed = reading.kind == "interval" and reference_window(reading.question) is not None
    if pointed or reading.kind == "order" or verdict.quoted:
        return False
    return lacks_things(reading.question, _MEDIUM, [statement.text for statement in reading.statements])


def _share_of_question(reading: Reading, verdict: Verdict) -> float:
    """Return the mean share of each clause's words that the best of the supporting statements has."""
    found = _in_context(verdict.support, reading)
    shares = [_clause_share(clause, found, reading) for clause in _clauses(reading)]
    known = [share for share in shares if share is not None]
    return fmean(known) if known else 0.0


def _is_about_medium(reading: Reading) -> bool:
    """Return whether a question has no words but of the medium, as "Which text is shown?"."""
    return not key_words(reading.question) - _MEDIUM


def _clauses(reading: Reading) -> list[str]:
    return parts_of(reading.question) if searches(reading) else clauses(_asked(reading))


def _asked(reading: Reading) -> str:
    """Return the question; without the noun of "which cook" if the options are videos, which stand for the cooks."""
    rest = _WHICH.sub("", reading.question)
    of_videos = bool(reading.options) and all(is_video(option, reading) for option in reading.options)
    return rest if of_videos and content_words(rest) else reading.question


def _clause_share(clause: str, found: Sequence[Statement], reading: Reading) -> float | None:
    """Return the share of a clause; None if it has no words of content."""
    parts = [part for condition in conditions_of(clause) for part in (condition.words, condition.later) if part]
    if not parts:
        return None
    if _SHOWING.search(clause) and not recognises_pictures(reading):
        found = [statement for statement in found if statement.modality == "visual"]
    return fmean(_share(part, [words_of(statement.text) for statement in found]) for part in parts)


def _share(words: frozenset[str], texts: Iterable[frozenset[str]]) -> float:
    wanted = words - _MEDIUM or words
    return max((len(wanted & text) / len(wanted) for text in texts), default=0.0)


def _in_context(support: Sequence[Statement], reading: Reading) -> list[Statement]:
    """Return the supporting statements, speech with the rest of its sentence."""
    return [joined_speech(statement, reading.statements) for statement in support]


def _choice_share(reading: Reading, verdict: Verdict) -> float:
    """Return the share for the chosen option; 0 if another one is as good."""
    found = option_findings(reading, Matcher(reading.statements))
    scores = [_held_score(option, one, reading) for option, one in zip(reading.options, found, strict=True)]
    chosen = scores.pop(ascii_uppercase.index(verdict.value))
    # A search over many videos chooses by more than the words of the options, so its choice may have the lower score.
    return 0.0 if chosen == max(scores, default=0.0) else _option_share(reading, verdict)


def _held_score(option: str, finding: Finding, reading: Reading) -> float:
    """Return the score of an option, lowered by its words that no statement has: the matcher leaves those out."""
    if is_video(option, reading):
        return finding.score
    return finding.score * _share(key_words(option), [words_of(statement.text) for statement in finding.support])


def _option_share(reading: Reading, verdict: Verdict) -> float:
    of_options = _is_about_medium(reading) and not any(is_video(option, reading) for option in reading.options)
    share = 1.0 if of_options else _share_of_question(reading, verdict)
    chosen = [reading.options[ascii_uppercase.index(letter)] for letter in verdict.value]
    own = [option for option in chosen if not is_video(option, reading)]
    texts = [statement.text for statement in _in_context(verdict.support, reading)]
    fits = not own or any(has_asked_kind(reading.question, text) for text in texts)
    if not fits or any(marks_of(option).missing(texts) for option in own):
        return 0.0
    words = [words_of(text) for text in texts]
    return min([share, *(_share(key_words(option), words) for option in own)])


def _order_share(reading: Reading, verdict: Verdict) -> float:
    """Return the share of the things to order whose time is known."""
    count = len(reading.options or reading.videos)
    if not reading.options and not _IN_TIME.search(reading.question):
        return 0.0
    return 1.0 if len(verdict.support) >= count else 0.0


def _interval_share(reading: Reading, verdict: Verdict) -> float:
    reference = reference_window(reading.question)
    if reference is None:
        return _share_of_question(reading, verdict)
    words = reference_words(reading.statements, reference, reading.question)
    texts = [words_of(s.text) for s in verdict.support if s.window.video != reference.video]
    return _share(words, texts)


def _number_share(reading: Reading, verdict: Verdict) -> float:
    """Return the share of the question, if the number was counted as asked or stated."""
    counted = re.search(r"\bhow (?:many|often)\b", reading.question, re.I) is not None
    texts = [_ONE_OF.sub(" ", statement.text) for statement in verdict.support]
    stated = [number for text in texts for _, number in numbers(text)]
    return _share_of_question(reading, verdict) if counted or verdict.value in stated else 0.0


def _text_share(reading: Reading, verdict: Verdict) -> float:
    if verdict.quoted:
        return 1.0
    texts = " ".join(statement.text for statement in _in_context(verdict.support, reading))
    of_type = verdict.is_video or (
        answers_type_of(reading.question, str(verdict.value)) and has_asked_noun(reading.question, texts)
    )
    return _share_of_question(reading, verdict) if of_type else 0.0


_SHARES: dict[AnswerKind, Callable[[Reading, Verdict], float]] = {
    "choice": _choice_share,
    "choices": _option_share,
    "order": _order_share,
    "interval": _interval_share,
    "number": _number_share,
    "text": _text_share,
}
