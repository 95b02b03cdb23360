"""Read the text of a subtitle file as cues, whatever its format; the format is recognised by the text itself.

SubRip, WebVTT and SubViewer are sequences of cues below a line of times, and are read here: WebVTT by its specification
(header, notes, styles and regions are no cues; a blank line ends a cue), SubRip as it is found (numbers may be missing,
a cue may hold blank lines). `ass_events.py` reads ASS and SSA; `pysubs2` reads MicroDVD, MPL2, SAMI and TTML.

Only the words remain: no tags, positions, drawings or comments. Music notes and [brackets] are words. Times inside a
cue of WebVTT, which automatic captions have before each word, become the times of the words.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

import pysubs2
from pysubs2.formats.substation import parse_tags

from agentcvr_graph.media.ass_events import ass_events, is_ass
from agentcvr_graph.media.rolling import Shown
from agentcvr_graph.types import WordTimes

_STAMP = r"-?(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3}|-?\d+:\d{1,2}:\d{1,2}(?::\d{3})?"
_TIMES = re.compile(rf"\s*({_STAMP})\s*-{{1,2}}>\s*({_STAMP})(?:\s|$)")
_STAMPED = re.compile(_STAMP)
_SUBVIEWER = re.compile(r"^(\d+:\d\d:\d\d\.\d{2,3}),(\d+:\d\d:\d\d\.\d{2,3})[ \t]*$", re.MULTILINE)
_LYRIC = re.compile(r"^((?:\[\d+:\d\d(?:[.:]\d{1,3})?\])+)(.*)$", re.MULTILINE)
_RUBY = re.compile(r"<rt[^>]*>.*?(?:</rt>|$)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<[\d:.]+>|<\.[^<>]*>")
_INSIDE = re.compile(r"<((?:\d+:)?\d\d:\d\d\.\d{3})>")
_TIME = "\ue000"
"""Stands for a time inside a cue while its tags are removed; no decoded file holds this character."""
_OVERRIDE = re.compile(r"\{\s*\\[^}]*\}|\{[YyCcFfSsPpHh]:[^}]*\}")
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad]")
LYRIC_S = 10.0
"""Longest time that a line of lyrics is taken to last."""
WORD_S = 1.0
"""Longest time that a word is taken to last: the next time inside a cue may come after a pause."""


def read_cue_file(text: str, fps: float | None = None) -> list[Shown]:
    """Return the cues of a subtitle file in the file's order, with the lines that each shows; empty if there are none.

    Args:
        fps: frame rate of the video, for formats that count frames.

    Raises:
        Exception: `pysubs2` raises many kinds of errors over damaged files.
    """
    lines = re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))
    text = "\n".join(lines)
    if lines[0].startswith("WEBVTT"):
        return list(_blocks(lines, blank_ends=True))
    if is_ass(text):
        return list(_ass(text))
    if _is_for_pysubs2(text):
        return list(_by_pysubs2(text, fps))
    if _SUBVIEWER.search(text):
        return list(_blocks(_SUBVIEWER.sub(r"\1 --> \2", text).replace("[br]", "\n").splitlines(), blank_ends=True))
    return list(_blocks(lines, blank_ends=False)) or list(_lyrics(text))


def lines_of(payload: Sequence[str]) -> list[str]:
    """Return the words of each line of a cue of SubRip or WebVTT, without the small print above Asian words."""
    return [words_of(line) for line in _RUBY.sub("", "\n".join(payload)).split("\n")]


def timed_lines(payload: Sequence[str], start_s: float, end_s: float) -> tuple[tuple[str, ...], tuple[WordTimes, ...]]:
    """Return the words of each line of a cue, and their times, from the times inside the cue.

    A line before the first one with a time repeats what was said before: it has no times.

    >>> timed_lines(["add<00:01.400><c> the</c><00:01.800><c> salt</c>"], 1.0, 2.0)
    (('add the salt',), (((1.0, 1.4), (1.4, 1.8), (1.8, 2.0)),))
    """
    inside_s = [_seconds(stamp) for stamp in _INSIDE.findall(_RUBY.sub("", "\n".join(payload)))]
    marked = lines_of([_INSIDE.sub(_TIME, line) for line in payload])
    lines = tuple(seen(line.replace(_TIME, "")) for line in marked)
    edges_s = [start_s, *inside_s, end_s]
    if not inside_s or edges_s != sorted(edges_s):
        return lines, ()
    first = next((n for n, line in enumerate(marked) if _TIME in line), len(marked))
    spans = _spans(marked[first:])
    times_s = iter(_word_times_s([span for line in spans for span in line], edges_s))
    return lines, (*[()] * first, *(tuple(itertools.islice(times_s, len(line))) for line in spans))


def _spans(marked: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Return for each word of each line how many times stand before its first and before its last letter."""
    passed = 0
    spans: list[list[tuple[int, int]]] = []
    for line in marked:
        spans.append([])
        for part in line.split():
            before, behind = (len(part) - len(rest) for rest in (part.lstrip(_TIME), part.rstrip(_TIME)))
            first, passed = passed + before, passed + part.count(_TIME)
            if part.strip(_TIME):
                spans[-1].append((first, passed - behind))
    return spans


def _word_times_s(spans: Sequence[tuple[int, int]], edges_s: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield the time of each word; words between two times are counted evenly."""
    for first, group in itertools.groupby(spans, key=lambda span: span[0]):
        words = list(group)
        start_s, end_s = edges_s[first], min(edges_s[first + 1], edges_s[first] + len(words) * WORD_S)
        step_s = (end_s - start_s) / len(words)
        for n, (_, last) in enumerate(words):
            long_s = min(edges_s[last + 1], edges_s[last] + WORD_S)  # a script without spaces has times inside a word
            yield start_s + n * step_s, start_s + (n + 1) * step_s if last == first else long_s


def words_of(line: str) -> str:
    """Return the words of a line of SubRip or WebVTT: without tags and positions, with entities resolved."""
    return seen(html.unescape(_OVERRIDE.sub("", _TAG.sub("", line))).replace(r"\N", " "))


def words_of_ass(text: str) -> list[str]:
    """Return the lines of an ASS text: without override tags, comments in braces and drawings."""
    shown = "".join(part for part, style in parse_tags(text) if not style.drawing)
    return [seen(line) for line in re.split(r"\\N|\\n", shown.replace(r"\h", " "))]


def seen(text: str) -> str:
    """Return a text in one line, without invisible marks."""
    return " ".join(_UNSEEN.sub("", text).split())


def _blocks(lines: Sequence[str], *, blank_ends: bool) -> Iterator[Shown]:
    """Yield the cues below lines of times."""
    found = [(place, times) for place, line in enumerate(lines) if (times := _TIMES.match(line))]
    ends = [*(place for place, _ in found[1:]), len(lines)]
    for number, ((place, times), end) in enumerate(zip(found, ends, strict=False), start=2):
        payload = lines[place + 1 : end]
        if blank_ends:
            payload = list(takewhile(bool, payload))
        elif end < len(lines):
            payload = _without_number(payload, number)
        start_s, end_s = _seconds(times[1]), _seconds(times[2])
        yield Shown(start_s, end_s, *timed_lines(payload, start_s, end_s))


def _without_number(payload: Sequence[str], number: int) -> Sequence[str]:
    """Return the lines of a SubRip cue without the number of the next cue.

    The last line is that number if it stands directly above the next times, or if it is the next in the count.
    """
    filled = [place for place, line in enumerate(payload) if line.strip()]
    if not filled or not payload[filled[-1]].strip().isdigit():
        return payload
    last = filled[-1]
    above, counted = (
        last == len(payload) - 1,
        int(payload[last]) == number and last > 0 and not payload[last - 1].strip(),
    )
    return payload[:last] if above or counted else payload


def _is_for_pysubs2(text: str) -> bool:
    start = text[:4096]
    marks = ("<SAMI", "<sami", "http://www.w3.org/ns/ttml", "http://www.w3.org/2006")
    return any(mark in start for mark in marks) or re.match(r"\s*(\{\d*\}\{\d*\}|\[\d+\]\[\d+\])", text) is not None


def _ass(text: str) -> Iterator[Shown]:
    for start, end, said in ass_events(text):
        if _STAMPED.fullmatch(start) and _STAMPED.fullmatch(end):
            yield Shown(_seconds(start), _seconds(end), tuple(words_of_ass(said)))


def _by_pysubs2(text: str, fps: float | None) -> Iterator[Shown]:
    for event in pysubs2.SSAFile.from_string(text, fps=fps):
        if not event.is_comment:
            yield Shown(event.start / 1000, event.end / 1000, tuple(words_of_ass(event.text)))


def _lyrics(text: str) -> Iterator[Shown]:
    """Yield the lines of an LRC file; each lasts until the next."""
    starts = sorted(
        (_seconds(stamp), words_of(said))
        for stamps, said in _LYRIC.findall(text)
        for stamp in re.findall(r"\[([^]]+)\]", stamps)
    )
    for (start_s, said), (next_s, _) in zip(starts, [*starts[1:], (float("inf"), "")], strict=False):
        yield Shown(start_s, min(next_s, start_s + LYRIC_S), (said,) if said else ())


def _seconds(stamp: str) -> float:
    """Return the seconds of '01:02:03,5', '02:03.5', '01:02:03:500' or '-00:00:01.000'."""
    parts = re.split(r"[:.,]", stamp.lstrip("-"))
    fraction = float(f"0.{parts.pop()}") if len(parts) == 4 or re.search(r"[.,]", stamp) else 0.0
    whole = 0
    for part in parts:
        whole = whole * 60 + int(part)
    return (whole + fraction) * (-1 if stamp.startswith("-") else 1)
