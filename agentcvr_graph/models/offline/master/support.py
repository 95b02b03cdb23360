"""How far the evidence supports a verdict of the offline master, from 0 (a guess) to 1.

`answering.py` always returns the best value there is. This module decides what to think of it. A value counts as
supported if the statements that it rests on have most of the words that the question asks about, each clause for
itself, and if nothing speaks against it: the statement says what the question asks for (a place for "where"), one
option is better than all others, a number was stated, and what is to be seen is not only spoken of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from string import ascii_uppercase

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.answering import Verdict, is_video, option_findings
from agentcvr_graph.models.offline.master.conditions import Finding, conditions_of
from agentcvr_graph.models.offline.master.language import clauses, content_words, is_about_speech, numbers
from agentcvr_graph.models.offline.master.matching import Matcher
from agentcvr_graph.models.offline.master.planning import reference_window, reference_words
from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.models.offline.master.searching import parts_of, searches
from agentcvr_graph.models.offline.master.sentences import answers_type_of, joined_speech
from agentcvr_graph.models.self_report import SelfReport
from agentcvr_graph.render import read_picture
from agentcvr_graph.types import AnswerKind

ONLY_WORDS = "The offline master only matches words, and no statement has enough of the question's."
NO_RECOGNITION = (
    "The offline models recognise on-screen text, colours, motion, speech and simple sounds, and no people, objects or "
    "actions; no statement has enough of the question's words."
)
LEAST = 0.6
"""Smallest share of the question's words, averaged over its clauses, that a supported value rests on."""
_SHOWING = re.compile(
    r"\b(?:shows?|shown|showing|see|seen|sees|visible|appears?|wears?|wearing|holds?|holding)\b", re.I
)
_ONE_OF = re.compile(r"\bone of\b", re.I)
_WHICH = re.compile(r"^\W*(?:in |on )?(?:which|what) (?:of the )?\w+", re.I)
_IN_TIME = re.compile(
    r"\b(?:film\w*|record\w*|shot|times?|clocks?|days?|dates?|chronolog\w*|steps?|segments?|sequence|earli\w+|lat(?:er|est)|"
    r"shuffled|happen\w*)\b",
    re.I,
)
_MEDIUM = stems(
    "picture pictures image images frame frames colour colours color colors mostly mainly dominant appear appears "
    "sound sounds noise recording background word words text screen number name named called"
)
"""Words about the medium. They are in few statements, whatever these are about."""


def support_of(reading: Reading, verdict: Verdict) -> float:
    """Return how well the evidence supports a verdict; 0 for one that is a guess."""
    if not verdict.support:
        return 0.0
    share = _SHARES.get(reading.kind, _share_of_question)(reading, verdict)
    return share if share >= LEAST else 0.0


def report_of(reading: Reading, support: float) -> SelfReport:
    """Return what the master says about its value: how sure it is, and what it looked for if that is a guess."""
    if support:
        return SelfReport(confidence=round(min(1.0, support), 2))
    return SelfReport(confidence=0.0, looked_for=_sought(reading), reason=_limits(reading))


def _sought(reading: Reading) -> str:
    """Return the words that the master looked for, as the question writes them."""
    words = [word for word in re.findall(r"[^\W_]+", reading.question) if content_words(word)]
    shown = ", ".join(f'"{word}"' for word in dict.fromkeys(words))
    return f"{shown or 'the answer'} in what was seen and heard"


def _limits(reading: Reading) -> str:
    """Return what the models cannot do, as far as that may be the reason."""
    about_pictures = not is_about_speech(reading.question) and not recognises_pictures(reading)
    return NO_RECOGNITION if about_pictures else ONLY_WORDS


def recognises_pictures(reading: Reading) -> bool:
    """Return whether the vision model describes what it sees, and does not only read text, colours and motion."""
    return any(read_picture(s.text)[0] for s in reading.statements if s.modality == "visual")


def _share_of_question(reading: Reading, verdict: Verdict) -> float:
    """Return the mean share of each clause's words that the best of the supporting statements has."""
    found = _in_context(verdict.support, reading)
    shares = [_clause_share(clause, found, reading) for clause in _clauses(reading)]
    known = [share for share in shares if share is not None]
    return fmean(known) if known else 0.0


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
    return fmean(_share(part, [stems(statement.text) for statement in found]) for part in parts)


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
    return finding.score * _share(content_words(option), [stems(statement.text) for statement in finding.support])


def _option_share(reading: Reading, verdict: Verdict) -> float:
    share = _share_of_question(reading, verdict)
    chosen = [reading.options[ascii_uppercase.index(letter)] for letter in verdict.value]
    own = [content_words(option) for option in chosen if not is_video(option, reading)]
    texts = [stems(statement.text) for statement in _in_context(verdict.support, reading)]
    return min([share, *(_share(words, texts) for words in own)])


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
    texts = [stems(s.text) for s in verdict.support if s.window.video != reference.video]
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
    share = _share_of_question(reading, verdict)
    return share if answers_type_of(reading.question, str(verdict.value)) else 0.0


_SHARES: dict[AnswerKind, Callable[[Reading, Verdict], float]] = {
    "choice": _choice_share,
    "choices": _option_share,
    "order": _order_share,
    "interval": _interval_share,
    "number": _number_share,
    "text": _text_share,
}
