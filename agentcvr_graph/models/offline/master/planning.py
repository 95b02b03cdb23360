"""Plan where the offline master looks: first everywhere, then closer where the evidence matches the question best."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentcvr_graph.models.offline.master.conditions import check, conditions_of
from agentcvr_graph.models.offline.master.language import content_words, is_about_purpose
from agentcvr_graph.models.offline.master.matching import ALIKE, Match, Matcher, run_around
from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement
from agentcvr_graph.types import Window

SURVEY_SPACING_S = 2.0
"""The survey samples a frame every two seconds, as far as the budget allows."""
SURVEY_SHARE = 0.6
"""Share of the frame budget that the survey may use."""
MAX_CALL_FRAMES = 128
MAX_LISTEN_S = 600.0
"""Longest sound of one video that the survey listens to."""
ZOOM_MARGIN_S = 3.0
ZOOM_FRAMES = 24
MAX_ZOOMS = 4
Call = dict[str, Any]


def survey(reading: Reading, clips: Sequence[Clip] | None = None) -> list[Call]:
    """Return calls that observe and listen to every readable video, or to the given ones."""
    chosen = reading.readable if clips is None else clips
    calls: list[Call] = []
    seen = [clip for clip in chosen if clip.has_picture]
    frames = int(min(MAX_CALL_FRAMES, reading.left.get("frames", 0) * SURVEY_SHARE))
    if seen and frames >= len(seen):
        calls.append(_observe([_whole(clip, _share(clip, seen, frames)) for clip in seen], reading.question))
    heard = [clip for clip in chosen if clip.has_words]
    seconds = min(MAX_LISTEN_S, reading.left.get("audio seconds", 0) / max(1, len(heard)))
    calls += [_listen(clip, min(clip.duration_s, seconds), reading.question) for clip in heard if seconds > 0]
    return calls


def look_again(reading: Reading) -> list[Call]:
    """Return calls for the videos that the graph reports as missing: observe, or listen if there is no picture."""
    calls: list[Call] = []
    for clip in reading.readable:
        if clip.number in reading.missing:
            look = clip.has_picture and reading.left.get("frames", 0) >= 1
            calls.append(_observe([_whole(clip, 8)], "") if look else _listen(clip, clip.duration_s, ""))
    return calls


def zoom(reading: Reading) -> list[Call]:
    """Return a call that looks closer at the most relevant windows, unless they were observed closely already."""
    frames = min(ZOOM_FRAMES, int(reading.left.get("frames", 0)) // MAX_ZOOMS)
    coarse = [s for s in decisive(reading) if s.modality == "visual" and s.spacing_s > 2 * _finest(s, frames)]
    clips = {clip.number: clip for clip in reading.readable}
    targets = [_around(s.window, clips[s.window.video], frames) for s in coarse[:MAX_ZOOMS] if s.window.video in clips]
    return [_observe(targets, reading.question)] if targets and frames >= 4 else []


def decisive(reading: Reading) -> list[Statement]:
    """Return the statements most relevant to the question and its options, best first, for each video and condition."""
    matcher = Matcher(reading.statements)
    found: list[tuple[float, Statement]] = []
    for text in (reading.question, *reading.options):
        for condition in conditions_of(text):
            for clip in reading.readable:
                finding = check(condition, clip.number, matcher)
                found += [(finding.score, statement) for statement in finding.support]
    reference = reference_window(reading.question)
    if reference is not None:
        words = reference_words(reading.statements, reference, reading.question)
        ranked = matcher.ranked(words, lambda s: s.window.video != reference.video and s.modality == "visual")
        if ranked:
            found.append((2.0, _span(ranked)))
    found.sort(key=lambda item: -item[0])
    return list(dict.fromkeys(statement for _, statement in found))


_RANGE = r"(?:from\s+)?(\d+(?:\.\d+)?)\s*(?:s\b|seconds)?\s*(?:to|-|and)\s*(\d+(?:\.\d+)?)\s*(?:s\b|seconds)"
_RANGE_THEN_VIDEO = re.compile(rf"{_RANGE}\s*(?:of|in)\s+(?:the\s+)?video\s+(\d+)", re.I)
_VIDEO_THEN_RANGE = re.compile(rf"video\s+(\d+)\D*?\b(?:at|between|from|during)?\s*{_RANGE}", re.I)


def reference_window(question: str, only_video: int | None = None) -> Window | None:
    """Return the window that a question refers to: `74 to 89 s of video 1` or `video 1 ... at 25 to 30 s`.

    Args:
        only_video: the number of the only video, which a question need not name.
    """
    match = _RANGE_THEN_VIDEO.search(question)
    if match:
        return Window(video=int(match[3]), start_s=float(match[1]), end_s=float(match[2]))
    match = _VIDEO_THEN_RANGE.search(question)
    if match:
        return Window(video=int(match[1]), start_s=float(match[2]), end_s=float(match[3]))
    match = re.search(_RANGE, question, re.I) if only_video is not None else None
    if match and only_video is not None:
        return Window(video=only_video, start_s=float(match[1]), end_s=float(match[2]))
    return None


def reference_words(statements: Sequence[Statement], window: Window, question: str) -> frozenset[str]:
    """Return the words of the statements in a window; if some share words with the question, only of those.

    If the question is about a purpose, only what was heard counts, provided that something was heard.
    """
    own = content_words(question)
    inside = [s for s in statements if s.window.overlap_s(window) > 0.3]
    if is_about_purpose(question):
        inside = [s for s in inside if s.modality == "audio"] or inside
    meant = [s for s in inside if content_words(s.text) & own] or inside
    return frozenset(word for statement in meant for word in content_words(statement.text)) - own or own


def _span(ranked: Sequence[Match]) -> Statement:
    """Return the best match and the consecutive similar ones as one statement."""
    best = ranked[0].statement
    same = [
        m.statement
        for m in ranked
        if m.score >= ALIKE * ranked[0].score and m.statement.window.video == best.window.video
    ]
    run = run_around(same, best)
    end_s = max(statement.window.end_s for statement in run)
    window = best.window.model_copy(update={"start_s": run[0].window.start_s, "end_s": end_s})
    return replace(best, window=window)


def _finest(statement: Statement, frames: int) -> float:
    return (statement.window.duration_s + 2 * ZOOM_MARGIN_S) / max(1, frames)


def _around(window: Window, clip: Clip, frames: int) -> Call:
    start_s = max(0.0, window.start_s - ZOOM_MARGIN_S)
    end_s = min(clip.duration_s, window.end_s + ZOOM_MARGIN_S)
    return {"video": clip.number, "start_s": round(start_s, 1), "end_s": round(end_s, 1), "frames": frames}


def _whole(clip: Clip, frames: int) -> Call:
    return {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s, "frames": frames}


def _share(clip: Clip, seen: Sequence[Clip], frames: int) -> int:
    """Return the frames for one video: one every two seconds, at most its share of the budget by duration."""
    by_duration = frames * clip.duration_s / sum(other.duration_s for other in seen)
    return max(1, min(round(clip.duration_s / SURVEY_SPACING_S), int(by_duration)))


def _observe(targets: list[Call], focus: str) -> Call:
    return {"name": "observe", "args": {"targets": targets, "focus": focus}}


def _listen(clip: Clip, end_s: float, focus: str) -> Call:
    return {"name": "listen", "args": {"video": clip.number, "start_s": 0.0, "end_s": round(end_s, 1), "focus": focus}}
