"""How the offline master answers about many videos with the tool `find`.

It searches for the words of the question, of each of its clauses and of each option. What is found proves nothing, so
it then observes and listens to the videos that were found first. For the answer it keeps only the videos that fit the
question: in others the words of an option have nothing to do with it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.conditions import HOLDS
from agentcvr_graph.models.offline.master.language import clauses, content_words, key_words, numbers, without_places
from agentcvr_graph.models.offline.master.matching import Matcher
from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement

MANY = 8
"""The master looks at all of up to so many videos, and searches more."""
LOOKED_AT = 6
"""Videos that it looks at after a search."""
FIND_LIMIT = 5
FIND_LIMIT_OF_OPTION = 2
OPTION_WEIGHT = 0.25
"""Weight of what is found for an option, against what is found for the question."""
UNKNOWN_LENGTH = 1.5
"""A video that the brief does not list is taken for so many times as long as the longest known; the graph clips it."""
FITS = 0.6
"""Least weighted share of a description's words in a statement that meets it."""
_ANYBODY = stems("somebody someone anybody anyone something")
_WORD = re.compile(r"\w+")
_BREAK = re.compile(
    r"[.?!:]\s+|\b(?:in |of |from )?(?:the |a )?(?:videos?|one|clip|recording|place) (?:in which|where)\b", re.I
)
"""Between what a question asks and how it describes the video: sentences, and "in the video in which"."""
Call = dict[str, Any]


def searches(reading: Reading) -> bool:
    """Return whether the master should search: it can, and there are too many videos to look at all."""
    return reading.can_find and len(reading.videos) > MANY


def find_calls(reading: Reading) -> list[Call]:
    """Return the searches for a question: its words, those of each clause, and those of each option."""
    limits = {text: FIND_LIMIT if own else FIND_LIMIT_OF_OPTION for text, own in _queries(reading).items()}
    return [{"name": "find", "args": {"query": text, "limit": limit}} for text, limit in limits.items()]


def best_videos(reading: Reading) -> list[Clip]:
    """Return the videos to look at after a search, best first, with a length for those that are not listed."""
    clips = {clip.number: clip for clip in reading.videos}
    found = [one.window.end_s for statements in reading.found.values() for one in statements]
    length_s = UNKNOWN_LENGTH * max([0.0, *(clip.duration_s for clip in reading.videos), *found])
    chosen = [number for number in _by_rank(reading) if number in clips][:LOOKED_AT]
    return [_opened(clips[number], length_s) for number in chosen]


def relevant(reading: Reading) -> Reading:
    """Return the reading without the videos that do not fit the question, where there are too many to look at all."""
    return narrowed(reading) if searches(reading) and reading.statements else reading


def narrowed(reading: Reading) -> Reading:
    """Return the reading with the evidence of the videos that fit the question best, and of no other."""
    kept = set(_fitting(reading))
    statements = _telling(reading, [one for one in reading.statements if one.window.video in kept])
    ends_s = {number: max(s.window.end_s for s in reading.statements if s.window.video == number) for number in kept}
    videos = [replace(clip, duration_s=ends_s.get(clip.number, 0.0)) for clip in reading.videos]
    return replace(reading, statements=statements, videos=videos)


def fitting_statements(reading: Reading) -> list[Statement]:
    """Return for each part of the question the statement that meets it, in the videos that fit."""
    matcher = Matcher(reading.statements)
    kept = _fitting(reading)
    best = [matcher.best(_telling_words(part), lambda s: s.window.video in kept) for part in parts_of(reading.question)]
    return [match.statement for match in best if match is not None and match.score >= FITS]


def question_queries(question: str) -> list[str]:
    """Return what to search for by a question: its words, and those of each of its clauses."""
    return list(dict.fromkeys(map(_words, (question, *parts_of(question)))))


def _queries(reading: Reading) -> dict[str, bool]:
    """Return what to search for, each with whether the question says it and not an option."""
    own = dict.fromkeys(question_queries(reading.question), True)
    options = dict.fromkeys(map(_words, reading.options), False)
    return {text: of_question for text, of_question in {**options, **own}.items() if text}


def parts_of(question: str) -> list[str]:
    """Return what a question asks and describes, one by one.

    >>> parts_of("Which word is on the card in the video in which somebody mentions an aunt?")
    ['Which word is on the card', 'somebody mentions an aunt?']
    """
    parts = [part.strip() for sentence in _BREAK.split(question) for part in clauses(sentence)]
    return [part for part in parts if content_words(part)]


def _telling_words(part: str) -> frozenset[str]:
    return key_words(part) - _ANYBODY


def _words(text: str) -> str:
    """Return the words of a text that carry content, as they are written."""
    return " ".join(word for word in _WORD.findall(without_places(text)) if key_words(word))


def _opened(clip: Clip, length_s: float) -> Clip:
    listed = clip.duration_s > 0
    return clip if listed else replace(clip, duration_s=length_s, has_picture=True, has_words=True)


def _by_rank(reading: Reading) -> list[int]:
    """Return the videos that were found, by the sum of their reciprocal ranks in all searches."""
    queries = _queries(reading)
    scores: defaultdict[int, float] = defaultdict(float)
    for query, statements in reading.found.items():
        weight = 1.0 if queries.get(query, True) else OPTION_WEIGHT
        for rank, video in enumerate(dict.fromkeys(one.window.video for one in statements), start=1):
            scores[video] += weight / rank
    return sorted(scores, key=lambda video: -scores[video])


def _fitting(reading: Reading) -> list[int]:
    """Return the video that fits the question best, and for each part that it does not meet the one that does."""
    matcher = Matcher(reading.statements)
    by_video = _by_video(reading)
    parts = [_telling_words(part) for part in parts_of(reading.question)]
    ranked = sorted(by_video, key=lambda video: -sum(_mass(part, by_video[video], matcher) for part in parts))
    kept = ranked[:1]
    for part in parts:
        met = [video for video in ranked if _best(part, by_video[video], matcher) >= HOLDS]
        kept += met[:1] if met and kept[0] not in met else []
    return kept


def _by_video(reading: Reading) -> Mapping[int, Sequence[Statement]]:
    """Return the evidence of each video, the one that was found first before others."""
    order = {video: n for n, video in enumerate(_by_rank(reading))}
    grouped: defaultdict[int, list[Statement]] = defaultdict(list)
    for statement in reading.statements:
        grouped[statement.window.video].append(statement)
    return dict(sorted(grouped.items(), key=lambda item: order.get(item[0], len(order))))


def _best(words: frozenset[str], statements: Sequence[Statement], matcher: Matcher) -> float:
    return max((matcher.score(words, statement) for statement in statements), default=0.0)


def _mass(words: frozenset[str], statements: Sequence[Statement], matcher: Matcher) -> float:
    """Return how well the best statement fits, weighted by how rare the words are: common words decide nothing."""
    return _best(words, statements, matcher) * sum(matcher.weight(word) for word in words)


def _telling(reading: Reading, statements: list[Statement]) -> list[Statement]:
    """Return the statements that can answer: with numbers if one is wanted; for a text not those that repeat it."""
    if reading.kind == "number":
        return [one for one in statements if numbers(one.text)] or statements
    if reading.kind == "text":
        matcher = Matcher(statements)
        parts = [content_words(part) for part in parts_of(reading.question)]
        repeats = [max(statements, key=lambda one: matcher.score(part, one)) for part in parts]
        others = [one for one in statements if one not in repeats]
        return others if matcher.best(content_words(reading.question), lambda one: one in others) else statements
    return statements
