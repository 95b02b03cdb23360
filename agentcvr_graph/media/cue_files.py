"""Read the text of a subtitle file as cues, whatever its format; the format is recognised by the text itself.

SubRip, WebVTT and SubViewer are sequences of cues below a line of times, and are read here: WebVTT by its specification
(header, notes, styles and regions are no cues; a blank line ends a cue), SubRip as it is found (numbers may be missing,
a cue may hold blank lines). `ass_events.py` reads ASS and SSA; `pysubs2` reads MicroDVD, MPL2, SAMI and TTML.

Only the words remain: no tags, positions, drawings or comments. Music notes and [brackets] are words.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

import pysubs2
from pysubs2.formats.substation import parse_tags

from agentcvr_graph.media.ass_events import ass_events, is_ass
from agentcvr_graph.media.rolling import Shown

_STAMP = r"-?(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3}|-?\d+:\d{1,2}:\d{1,2}(?::\d{3})?"
_TIMES = re.compile(rf"\s*({_STAMP})\s*-{{1,2}}>\s*({_STAMP})(?:\s|$)")
_STAMPED = re.compile(_STAMP)
_SUBVIEWER = re.compile(r"^(\d+:\d\d:\d\d\.\d{2,3}),(\d+:\d\d:\d\d\.\d{2,3})[ \t]*$", re.MULTILINE)
_LYRIC = re.compile(r"^((?:\[\d+:\d\d(?:[.:]\d{1,3})?\])+)(.*)$", re.MULTILINE)
_RUBY = re.compile(r"<rt[^>]*>.*?(?:</rt>|$)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<[\d:.]+>|<\.[^<>]*>")
_OVERRIDE = re.compile(r"\{\s*\\[^}]*\}|\{[YyCcFfSsPpHh]:[^}]*\}")
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad]")
LYRIC_S = 10.0
"""Longest time that a line of lyrics is taken to last."""


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
        yield Shown(_seconds(times[1]), _seconds(times[2]), tuple(lines_of(payload)))


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
