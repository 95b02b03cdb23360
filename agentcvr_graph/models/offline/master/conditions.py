"""The conditions of a question on a video, one for each clause, and how well the evidence supports them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentcvr_graph.models.offline.master.language import (
    clauses,
    is_about_speech,
    is_negated,
    key_words,
    without_places,
)
from agentcvr_graph.models.offline.master.matching import Match, Matcher
from agentcvr_graph.models.offline.master.reading import Statement

_SEQUENCE = re.compile(r"^(.*?)\b(before|after)\b(.*)$", re.I | re.S)
HOLDS = 0.75
"""Lowest score at which a condition counts as met."""
_UNSEEN_ORDER = 0.25
"""Score of `X before Y` if one of the two was never observed."""
_OTHER_MODALITY = 0.85
"""Weight of speech for a condition that is not about speech: what is only said counts less than what is seen."""


@dataclass(frozen=True)
class Condition:
    """The condition in one clause."""

    words: frozenset[str]
    later: frozenset[str] = frozenset()
    """For `X before Y`: what comes later."""
    negated: bool = False
    spoken: bool = False


@dataclass(frozen=True)
class Finding:
    """How well a condition holds in one video, with the supporting statements."""

    score: float
    support: tuple[Statement, ...] = ()


def conditions_of(text: str) -> list[Condition]:
    """Return the conditions in a question or an option. Clauses without content words are left out."""
    found = [_condition(clause) for clause in clauses(without_places(text))]
    return [condition for condition in found if condition.words]


def check(condition: Condition, video: int, matcher: Matcher) -> Finding:
    """Return how well a condition holds in a video."""
    if condition.later:
        return _check_sequence(condition, video, matcher)
    match = _best(condition.words, condition.spoken, video, matcher)
    if match is None:
        return Finding(1.0 if condition.negated else 0.0)
    if condition.negated:
        return Finding(1.0 - match.score)
    return Finding(match.score, (match.statement,))


def check_all(conditions: Sequence[Condition], video: int, matcher: Matcher) -> Finding:
    """Return how well all conditions hold together: half the mean score plus half the lowest score."""
    findings = [check(condition, video, matcher) for condition in conditions]
    if not findings:
        return Finding(0.0)
    scores = [finding.score for finding in findings]
    support = tuple(dict.fromkeys(statement for finding in findings for statement in finding.support))
    return Finding((sum(scores) / len(scores) + min(scores)) / 2, support)


def holds(conditions: Sequence[Condition], video: int, matcher: Matcher) -> bool:
    """Return whether every condition is met in a video."""
    return bool(conditions) and all(check(condition, video, matcher).score >= HOLDS for condition in conditions)


def _condition(clause: str) -> Condition:
    negated, spoken = is_negated(clause), is_about_speech(clause)
    sequence = _SEQUENCE.match(clause)
    if sequence:
        one, other = key_words(sequence[1]), key_words(sequence[3])
        if one and other:
            earlier, later = (one, other) if sequence[2].lower() == "before" else (other, one)
            return Condition(earlier - later or earlier, later - earlier or later, negated, spoken)
    return Condition(key_words(clause), negated=negated, spoken=spoken)


def _check_sequence(condition: Condition, video: int, matcher: Matcher) -> Finding:
    earlier = _best(condition.words, condition.spoken, video, matcher)
    later = _best(condition.later, condition.spoken, video, matcher)
    if earlier is None or later is None:
        return Finding(_UNSEEN_ORDER)
    in_order = earlier.statement.window.start_s < later.statement.window.start_s
    sure = min(earlier.score, later.score)
    return Finding(sure if in_order != condition.negated else 0.0, (earlier.statement, later.statement))


def _best(words: frozenset[str], spoken: bool, video: int, matcher: Matcher) -> Match | None:
    """Return the best statement of a video. Speech counts less, unless `spoken`: then only speech counts."""
    ranked = matcher.ranked(words, lambda statement: statement.window.video == video)
    if spoken:
        heard = [match for match in ranked if match.statement.modality == "audio"]
        return heard[0] if heard else None
    weighed = [
        Match(match.statement, match.score * (_OTHER_MODALITY if match.statement.modality == "audio" else 1.0))
        for match in ranked
    ]
    return max(weighed, key=lambda match: match.score, default=None)
