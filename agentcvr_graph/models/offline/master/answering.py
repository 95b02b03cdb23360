"""The offline master's answers: one function for each kind, which returns the value and its supporting statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from agentcvr_graph.models.offline.master.asked import told_part
from agentcvr_graph.models.offline.master.conditions import HOLDS, Finding, check_all, conditions_of, holds
from agentcvr_graph.models.offline.master.follow_ups import numbered, place_of
from agentcvr_graph.models.offline.master.language import (
    clock_minutes,
    content_words,
    counted,
    day_of_year,
    is_about_purpose,
    is_about_speech,
    key_words,
    numbers,
)
from agentcvr_graph.models.offline.master.matching import ALIKE, CONTIGUOUS_S, Matcher, run_around
from agentcvr_graph.models.offline.master.planning import reference_window, reference_words
from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.models.offline.master.searching import fitting_statements, narrowed, searches
from agentcvr_graph.models.offline.master.sentences import answers_type_of, joined_speech
from agentcvr_graph.models.offline.master.whole import all_asked, all_of, speech_in
from agentcvr_graph.types import AnswerKind, Window

_VIDEO_NUMBER = re.compile(r"\bvideo\s*#?(\d+)", re.I)
_ASKS_VIDEO = re.compile(
    r"\b(?:which|what)(?: one)?"
    r"(?: (?:video|clip|recording)| of (?:the|these|those) (?:\w+ )?(?:videos|clips|recordings)| of video \d+)\b",
    re.I,
)
_WHICH_VIDEO = re.compile(rf"(?:in |on )?{_ASKS_VIDEO.pattern}", re.I)
"""The same at the start of a question, whose answer is a video then."""
_ENDING = re.compile(r"\.\w{2,5}$")
"""The ending of a file name."""
NOT_SAID = "The evidence does not say."
"""Value of a text where no statement has a word of the question."""
MAX_CITATIONS = 8


@dataclass(frozen=True)
class Verdict:
    """The value of an answer and the statements that support it."""

    value: Any
    support: tuple[Statement, ...] = ()
    quoted: bool = False
    """Whether the value is all that was said in the window, or in the videos, that the question names."""
    is_video: bool = False
    """Whether a text names a video."""


def answer(reading: Reading) -> Verdict:
    """Return the best answer that the evidence supports, or a guess without support."""
    if searches(reading) and reading.statements:
        return _answer_among_many(reading)
    return _ANSWERS.get(reading.kind, _text)(reading, Matcher(reading.statements))


def _answer_among_many(reading: Reading) -> Verdict:
    """Answer from the videos that fit the question, and support it also by the statements that show that they do."""
    among = narrowed(reading)
    verdict = _ANSWERS.get(among.kind, _text)(among, Matcher(among.statements))
    described = fitting_statements(reading) if verdict.support else []
    return replace(verdict, support=tuple(dict.fromkeys([*verdict.support, *described])))


def _choice(reading: Reading, matcher: Matcher) -> Verdict:
    findings = option_findings(reading, matcher)
    best = max(range(len(findings)), key=lambda n: (findings[n].score, -n))
    return Verdict(ascii_uppercase[best], findings[best].support)


def _choices(reading: Reading, matcher: Matcher) -> Verdict:
    findings = option_findings(reading, matcher)
    chosen = [n for n, finding in enumerate(findings) if finding.score >= HOLDS]
    chosen = chosen or [max(range(len(findings)), key=lambda n: findings[n].score)]
    support = tuple(statement for n in chosen for statement in findings[n].support)
    return Verdict([ascii_uppercase[n] for n in chosen], support)


def option_findings(reading: Reading, matcher: Matcher) -> list[Finding]:
    """Return how well each option holds, with its supporting statements."""
    return [_option_finding(option, reading, matcher) for option in reading.options]


def _option_finding(option: str, reading: Reading, matcher: Matcher) -> Finding:
    """Score an option by the question's conditions in the video that it names, or by its own words as conditions."""
    number = named_video(option, reading)
    own = conditions_of(_besides_video(option, reading))
    conditions = conditions_of(reading.question)
    if number is not None and not own:
        return check_all(conditions, number, matcher)
    places = [number] if number is not None else _videos_in_question(reading)
    findings = [check_all(own, place, matcher) for place in places]
    best = max(findings, key=lambda finding: finding.score, default=Finding(0.0))
    # The option's statement should also contain words of the question.
    context = key_words(reading.question)
    bonus = max((matcher.score(context, statement) for statement in best.support), default=0.0)
    return Finding(0.85 * best.score + 0.15 * bonus, best.support)


def named_video(text: str, reading: Reading) -> int | None:
    """Return the video that a text names by number, title or place in the list, or None."""
    match = _VIDEO_NUMBER.search(numbered(text, len(reading.videos)))
    if match and 1 <= int(match[1]) <= len(reading.videos):
        return int(match[1])
    return _whole_name(text, reading)


def is_video(option: str, reading: Reading) -> bool:
    """Return whether an option names a video and says nothing else."""
    return named_video(option, reading) is not None and not content_words(_besides_video(option, reading))


def _besides_video(option: str, reading: Reading) -> str:
    """Return what an option says besides naming a video: nothing if all of it is a name of one."""
    named = _whole_name(option, reading) is not None
    return "" if named else _VIDEO_NUMBER.sub(" ", numbered(option, len(reading.videos)))


def _whole_name(text: str, reading: Reading) -> int | None:
    """Return the video whose title, file name or place in the list is all of a text, or None."""
    titles = {clip.title.casefold(): clip.number for clip in reading.videos if clip.title}
    name = text.strip().casefold()
    number = titles.get(name) or titles.get(_ENDING.sub("", name))
    return number or place_of(name, len(reading.videos), bare=_ASKS_VIDEO.search(reading.question) is not None)


def _videos_in_question(reading: Reading) -> list[int]:
    named = [int(n) for n in _VIDEO_NUMBER.findall(reading.question)]
    return [n for n in named if n <= len(reading.videos)] or [clip.number for clip in reading.readable]


def _order(reading: Reading, matcher: Matcher) -> Verdict:
    marks = _marks_of_options(reading, matcher) if reading.options else _marks_of_videos(reading)
    ranked = sorted(range(len(marks)), key=lambda n: (marks[n][0] is None, marks[n][0] or 0.0, n))
    support = tuple(statement for n in ranked if (statement := marks[n][1]) is not None)
    return Verdict("->".join(str(n + 1) for n in ranked), support)


Mark = tuple[float | None, Statement | None]


def _marks_of_options(reading: Reading, matcher: Matcher) -> list[Mark]:
    """Return when each option happens: the time of its best statement, or the mark of the video that it names."""
    marks: list[Mark] = []
    for option in reading.options:
        number = named_video(option, reading)
        if number is not None and not content_words(_besides_video(option, reading)):
            marks.append(_marks_of_videos(reading)[number - 1])
            continue
        match = matcher.best(key_words(option))
        marks.append((match.statement.window.start_s, match.statement) if match else (None, None))
    return marks


def _marks_of_videos(reading: Reading) -> list[Mark]:
    """Return the time mark of each video: dates, times of day or step numbers, whichever most videos have."""
    tables: list[list[Mark]] = []
    for read_mark in (day_of_year, clock_minutes, counted):
        tables.append([_first_mark(clip.number, reading.statements, read_mark) for clip in reading.videos])
    return max(tables, key=lambda marks: sum(mark is not None for mark, _ in marks))


def _first_mark(video: int, statements: Sequence[Statement], read_mark: Callable[[str], float | None]) -> Mark:
    own = sorted((s for s in statements if s.window.video == video), key=lambda s: s.window.start_s)
    for statement in own:
        mark = read_mark(statement.text)
        if mark is not None:
            return mark, statement
    return None, None


def _interval(reading: Reading, matcher: Matcher) -> Verdict:
    reference = reference_window(reading.question)
    words, sources = key_words(reading.question), ()
    if reference is not None:
        words = reference_words(reading.statements, reference, reading.question)
        sources = tuple(s for s in reading.statements if s.window.overlap_s(reference) > 0.3 and stems_meet(s, words))
    target = _target_video(reading, reference)
    ranked = matcher.ranked(words, lambda s: s.window.video == target and s.modality == "visual")
    if not ranked or is_about_purpose(reading.question):
        ranked = matcher.ranked(words, lambda s: s.window.video == target)
    if not ranked:
        clip = reading.videos[target - 1]
        return Verdict([0.0, clip.duration_s or 1.0])
    best = ranked[0].statement
    if reference is None and best.modality == "audio" and is_about_speech(reading.question):
        return Verdict([best.window.start_s, best.window.end_s], (best,))
    if best.modality == "audio" and (scene := _scene_of(best, reading)):
        return Verdict([scene.window.start_s, scene.window.end_s], (*sources, best, scene))
    like = [match.statement for match in ranked if match.score >= ALIKE * ranked[0].score]
    run = run_around(like, best)
    return Verdict([run[0].window.start_s, max(s.window.end_s for s in run)], (*sources, *run))


def _scene_of(said: Statement, reading: Reading) -> Statement | None:
    """Return what was seen during speech: the statement with the closest frames that covers most of it."""
    seen = [s for s in reading.statements if s.modality == "visual" and s.window.overlap_s(said.window) > 0]
    return max(
        seen, key=lambda s: (s.window.overlap_s(said.window) > 0.5 * said.window.duration_s, -s.spacing_s), default=None
    )


def stems_meet(statement: Statement, words: frozenset[str]) -> bool:
    """Return whether a statement contains any of the words."""
    return bool(content_words(statement.text) & words)


def _target_video(reading: Reading, reference: Window | None) -> int:
    for number in (int(n) for n in _VIDEO_NUMBER.findall(reading.question)):
        if number <= len(reading.videos) and (reference is None or number != reference.video):
            return number
    others = [clip.number for clip in reading.readable if reference is None or clip.number != reference.video]
    return (others or [1])[0]


def _number(reading: Reading, matcher: Matcher) -> Verdict:
    conditions = conditions_of(reading.question)
    if re.search(r"how many (?:of the )?(?:\w+ )?(?:videos|clips|cooks|people|persons)", reading.question, re.I):
        met = [clip.number for clip in reading.readable if holds(conditions, clip.number, matcher)]
        support = [s for number in met for s in check_all(conditions, number, matcher).support]
        return Verdict(len(met), tuple(support))
    words = key_words(reading.question)
    ranked = matcher.ranked(words)
    if not ranked:
        return Verdict(0)
    best = ranked[0].statement
    stated = numbers(best.text)
    if stated and not re.search(r"how (?:many times|often)", reading.question, re.I):
        return Verdict(_number_beside(best.text, words, stated), (best,))
    like = [match.statement for match in ranked if match.score >= ALIKE * ranked[0].score]
    return Verdict(len(_occasions(like)), tuple(like))


def _number_beside(text: str, words: frozenset[str], stated: list[tuple[int, float]]) -> float:
    """Return the number in a statement that is nearest to a word of the question."""
    spoken = re.findall(r"\w+(?:\.\d+)?", text.lower())
    positions = [n for n, word in enumerate(spoken) if content_words(word) & words]
    return min(stated, key=lambda item: min((abs(n - item[0]) for n in positions), default=0))[1]


def _occasions(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements that do not touch an earlier one in time; each is a separate occasion."""
    ordered = sorted(statements, key=lambda s: (s.window.video, s.window.start_s))
    kept: list[Statement] = []
    for statement in ordered:
        last = kept[-1].window if kept else None
        if last is None or last.video != statement.window.video or statement.window.start_s > last.end_s + CONTIGUOUS_S:
            kept.append(statement)
    return kept


def _text(reading: Reading, matcher: Matcher) -> Verdict:
    window = reference_window(reading.question, only_video=_only_video(reading))
    if window is not None and is_about_speech(reading.question):
        return _quoted(window, reading)
    places = _videos_in_question(reading)
    if (read_all := all_asked(reading.question)) is not None:
        value, support = all_of(places, reading, read_all, MAX_CITATIONS)
        return Verdict(value or NOT_SAID, support, quoted=True)
    match = matcher.best(key_words(reading.question), lambda s: s.window.video in places)
    if match is None:
        return Verdict(NOT_SAID)
    if _WHICH_VIDEO.match(reading.question):
        return Verdict(f"Video {match.statement.window.video}", (match.statement,), is_video=True)
    said = _whole_sentence(match.statement, reading)
    return Verdict(told_part(reading.question, said), (said,))


def _whole_sentence(line: Statement, reading: Reading) -> Statement:
    """Return the sentence of a line of speech if it says more of what is asked than the line; else the line."""
    sentence, words = joined_speech(line, reading.statements), content_words(reading.question)
    more = len(words & content_words(sentence.text)) > len(words & content_words(line.text))
    fits = answers_type_of(reading.question, sentence.text) and not answers_type_of(reading.question, line.text)
    return sentence if more or fits else line


def _only_video(reading: Reading) -> int | None:
    return reading.videos[0].number if len(reading.videos) == 1 else None


def _quoted(window: Window, reading: Reading) -> Verdict:
    """Return all that was said in a window."""
    said = speech_in(window, reading)
    return Verdict(" ".join(s.text.strip('"') for s in said) or NOT_SAID, tuple(said), quoted=True)


_ANSWERS: dict[AnswerKind, Callable[[Reading, Matcher], Verdict]] = {
    "choice": _choice,
    "choices": _choices,
    "order": _order,
    "interval": _interval,
    "number": _number,
    "text": _text,
}
