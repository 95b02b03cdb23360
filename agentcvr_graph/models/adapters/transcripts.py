"""Read the replies of transcription servers: what is said, with times where the server gives them.

OpenAI's `verbose_json` has `segments`; other servers name them otherwise, leave out times, send words alone, text
alone, or subtitles in place of JSON. Whatever has words is heard: a time that is missing or of no length is taken from
the neighbours, and without any time the words hold for the whole window. Times count from the start of the sound.

Words with times stand beside the segments or in them, often without punctuation, and cut otherwise than the text: as
"well" and "-known", or in pieces. They are found in the text by their letters (`TimedLetters`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from agentcvr_graph.answers.times import read_time_s
from agentcvr_graph.render import letters_of, spoken
from agentcvr_graph.types import Evidence, Window, WordTimes, later, within

Body = Mapping[str, Any]

NO_SPEECH = 0.6
"""Whisper's own rule: a segment is silence if its probability of no speech is above this ..."""
UNLIKELY = -1.0
"""... and the mean log probability of its words is below this."""
STRAY_S = 1.0
"""Words that begin or end so much outside their segment, in seconds, are words of another one."""
PAUSE_S = 1.0
"""Words further apart than this, in seconds, belong to different statements."""
SEGMENTS = ("segments", "chunks", "transcription", "utterances")
"""Fields that hold the segments."""
TEXTS = ("text", "transcript", "word", "punctuated_word")
_TIMED_LINE = re.compile(r"^\[([\d:.,]+)\s*-+>\s*([\d:.,]+)\]\s*(.*)$", re.M)
"""A line as the command-line programs of Whisper print it."""


@dataclass(frozen=True)
class Said:
    """A statement; a time is None where the server gives none."""

    text: str
    start_s: float | None
    end_s: float | None
    word_times_s: WordTimes = ()


class TimedLetters:
    """The letters of words in one row, each with the time of its word. Words without a time are left out."""

    def __init__(self, words: Sequence[Said]) -> None:
        rows = [(letters_of(one.text), (one.start_s, one.end_s)) for one in words]
        timed = [(row, (start_s, end_s)) for row, (start_s, end_s) in rows if start_s is not None and end_s is not None]
        self._letters = "".join(row for row, _ in timed)
        self._times_s = [time_s for row, time_s in timed for _ in row]
        self._read = 0
        """How many letters belong to the texts before."""

    def times_of(self, said: Said) -> WordTimes:
        """Return the times of the words of the next text; none if its letters do not follow in time."""
        row = letters_of(said.text)
        first = self._letters.find(row, self._read)
        if not row or first < 0:
            return ()
        times_s = self._times_s[first : first + len(row)]
        if not _lies_in(said, times_s[0][0], times_s[-1][1]):
            return ()
        self._read = first + len(row)
        return tuple(_by_word(said.text.split(), times_s))


def _lies_in(said: Said, start_s: float, end_s: float) -> bool:
    """Return whether words last, and lie in the time of a text as far as that is known."""
    late = said.end_s is not None and end_s > said.end_s + STRAY_S
    return start_s < end_s and not late and start_s >= (said.start_s or 0.0) - STRAY_S


def _by_word(words: Sequence[str], times_s: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the time of each word from those of all letters; a word without letters ends with the one before."""
    read, ended_s = 0, times_s[0][0]
    for word in words:
        own = times_s[read : read + len(letters_of(word))]
        read += len(own)
        start_s, ended_s = (own[0][0], own[-1][1]) if own else (ended_s, ended_s)
        yield start_s, ended_s


def has_words(body: Body) -> bool:
    """Return whether a reply is a transcript, which may be empty."""
    return any(key in body for key in ("text", "transcript", "words", *SEGMENTS))


def body_of(text: str, content_type: str = "") -> Body | None:
    """Return the reply that a body holds: JSON, subtitles or plain text; None for anything else.

    >>> body_of('"hello"'), body_of("<html>")
    ({'text': 'hello'}, None)
    """
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        plain = "text/plain" in content_type
        if text.lstrip()[:1] in ("{", "<") or not plain and (not text.strip() or text.lstrip().startswith('["')):
            return None  # half of a reply, a page of HTML, or nothing
        return _read_text(text)
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, list):
        return {"segments": value}
    return cast(Body, value) if isinstance(value, dict) else None


def read_transcript(body: Body, window: Window) -> Iterator[Evidence]:
    """Yield the statements of a reply in order of time, in seconds of the video.

    Whisper pads sound to 30 s and sometimes hallucinates words in the padding: segments that start there are left out.
    """
    length_s = window.duration_s
    said = [one for one in _statements(body) if one.start_s is None or one.start_s < length_s]
    for one in _with_times(said, length_s):
        yield _evidence(one, window)


def _statements(body: Body) -> list[Said]:
    """Return the statements with the times that the server gives: of its segments, its words, or its text."""
    listed = [cast(list[Any], given) for key in SEGMENTS if isinstance(given := body.get(key), list) and given]
    segments = listed[0] if listed else []
    loud = [part for part in segments if not _is_silence(part)]
    if segments and not loud:
        return []
    words = _read_parts(body.get("words"))
    said = _with_word_times(_read_parts(loud) or _sentences(words), words)
    if said and any(one.start_s or one.end_s for one in said):
        return said
    text = _text(body) or " ".join(one.text for one in said)
    return [Said(text, None, None)] if text else []


def _with_word_times(said: Sequence[Said], words: Sequence[Said]) -> list[Said]:
    """Return the statements, those without times of words with those of a list of words."""
    letters = TimedLetters(words)
    return [replace(one, word_times_s=one.word_times_s or letters.times_of(one)) for one in said]


def _read_parts(parts: Any) -> list[Said]:
    """Return the segments or words that have a text."""
    return [said for part in cast(list[Any], parts) if (said := _said(part)).text] if isinstance(parts, list) else []


def _said(part: Any) -> Said:
    if not isinstance(part, Mapping):
        return Said(str(part or "").strip(), None, None)
    given = cast(Body, part)
    stamps: Any = given.get("timestamp") or given.get("timestamps") or ()
    if isinstance(stamps, Mapping):
        stamps = (cast(Body, stamps).get("from"), cast(Body, stamps).get("to"))
    start, end = (*cast(Sequence[Any], stamps), None, None)[:2] if isinstance(stamps, list | tuple) else (None, None)
    words = _read_parts(given.get("words"))
    said = Said(
        _text(given) or " ".join(word.text for word in words),
        _seconds(given.get("start", given.get("start_time", start))),
        _seconds(given.get("end", given.get("end_time", end))),
    )
    return _with_word_times([said], words)[0]


def _text(given: Body) -> str:
    return next(
        (str(given[key]).strip() for key in TEXTS if isinstance(given.get(key), str) and given[key].strip()), ""
    )


def _seconds(value: object) -> float | None:
    """Return a time in seconds; None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        time_s = read_time_s(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, time_s) if math.isfinite(time_s) else None


def _sentences(words: Sequence[Said]) -> list[Said]:
    """Join words to statements, which end with a sentence or before a pause."""
    said: list[Said] = []
    for word in words:
        last = said[-1] if said else None
        if last is None or _paused(last, word) or last.text.endswith((".", "?", "!", "\u3002")):
            said.append(word)
        else:
            said[-1] = Said(f"{last.text} {word.text}", last.start_s, word.end_s or last.end_s)
    return said


def _paused(before: Said, after: Said) -> bool:
    return before.end_s is not None and after.start_s is not None and after.start_s - before.end_s > PAUSE_S


def _with_times(said: Sequence[Said], length_s: float) -> list[Said]:
    """Return the statements in order of time, each with a start and a later end within the sound."""
    placed: list[Said] = []
    for one in said:
        before_s = placed[-1].end_s or placed[-1].start_s or 0.0 if placed else 0.0
        placed.append(replace(one, start_s=before_s if one.start_s is None else one.start_s))
    placed.sort(key=lambda one: cast(float, one.start_s))
    ended: list[Said] = []
    for n, one in enumerate(placed):
        start_s = cast(float, one.start_s)
        end_s = one.end_s
        if end_s is None or end_s <= start_s:
            later = (cast(float, other.start_s) for other in placed[n + 1 :] if cast(float, other.start_s) > start_s)
            end_s = next(later, length_s)
        ended.append(replace(one, end_s=end_s))
    return ended


def _evidence(said: Said, window: Window) -> Evidence:
    """Return a statement in seconds of the video, clipped to the window."""
    start_s = min(window.start_s + cast(float, said.start_s), window.end_s)
    end_s = min(max(window.start_s + cast(float, said.end_s), start_s), window.end_s)
    return Evidence(
        text=spoken(said.text),
        window=Window(video=window.video, start_s=start_s, end_s=end_s),
        word_times_s=within(later(said.word_times_s, window.start_s), start_s, end_s),
    )


def _is_silence(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    given = cast(Body, part)
    return _number(given.get("no_speech_prob")) > NO_SPEECH and _number(given.get("avg_logprob")) < UNLIKELY


def _number(value: object) -> float:
    try:
        return float(cast(Any, value))
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _read_text(text: str) -> Body:
    """Return subtitles, or the lines of Whisper's programs, as segments; any other text as text."""
    if "-->" not in text:
        return {"text": text}
    lines = [{"start": start, "end": end, "text": said} for start, end, said in _TIMED_LINE.findall(text)]
    return {"segments": lines or _cues(text)}


def _cues(text: str) -> list[Body]:
    import pysubs2  # few servers send subtitles

    try:
        events = pysubs2.SSAFile.from_string(text)
    except Exception:  # pysubs2 raises many kinds of errors over damaged text
        return [{"text": text}]
    return [
        {"start": one.start / 1000, "end": one.end / 1000, "text": " ".join(one.plaintext.split())} for one in events
    ]
