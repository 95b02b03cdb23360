"""Read a video's subtitles: from a file beside it (`sidecars.py`), or else from a track in it (`tracks.py`).

Subtitles that cannot be read count as missing, with a note, so they never make a question fail and the speech is
transcribed instead.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.stream import Discard

from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.containers import open_container, origin_s
from agentcvr_graph.media.cue_files import lines_of, read_cue_file, words_of_ass
from agentcvr_graph.media.rolling import Shown, said_once
from agentcvr_graph.media.sidecars import Sidecar, sidecars
from agentcvr_graph.media.subtitle_text import decoded
from agentcvr_graph.media.tracks import language_of, picture_stream, sound_stream, subtitle_stream
from agentcvr_graph.media.types import Cue
from agentcvr_graph.types import middles_of, within, words_inside

MAX_BYTES = 16 * 2**20
"""Largest sidecar file that is read; the subtitles of a day of talk take a tenth of it."""


_RAW = ("webvtt", "subrip", "srt", "text")
"""Names of codecs whose packets hold the text of a cue."""


class Subtitles(NamedTuple):
    """The subtitles of a file."""

    cues: tuple[Cue, ...] = ()
    """In order of time, each said once; empty if there are none or they cannot be read."""
    notes: tuple[str, ...] = ()
    """Why subtitles that exist are not used."""


def read_subtitles(path: Path, access: Access = EVERYTHING) -> Subtitles:
    """Return the subtitles of a file: the first sidecar that can be read, or else those of the chosen track."""
    language, fps = _about(path)
    notes: list[str] = []
    for sidecar in _beside(path, language):
        if not access.may_read(sidecar.path):
            continue
        cues, problem = _read_sidecar(sidecar, fps)
        if cues:
            return Subtitles(cues, tuple(notes))
        notes.append(f"the subtitles {sidecar.path.name} are ignored: {problem}")
    return Subtitles(said_once(_read_embedded(path)), tuple(notes))


def clip_cues(cues: Sequence[Cue], start_s: float, end_s: float) -> tuple[Cue, ...]:
    """Return the cues that overlap a window, with their times clipped to it.

    Of a cue that crosses the edge, those words are kept whose middle lies inside, if their times are known; else all.
    """
    overlapping = (_inside(cue, start_s, end_s) for cue in cues if cue.start_s < end_s and cue.end_s > start_s)
    return tuple(cue for cue in overlapping if cue.text)


def _inside(cue: Cue, start_s: float, end_s: float) -> Cue:
    text, times_s = cue.text, cue.word_times_s
    if times_s and not start_s <= cue.start_s <= cue.end_s <= end_s:
        kept = words_inside(middles_of(times_s), start_s, end_s)
        text, times_s = " ".join(text.split()[n] for n in kept), [times_s[n] for n in kept]
    return Cue(max(start_s, cue.start_s), min(end_s, cue.end_s), text, within(times_s, start_s, end_s))


def _beside(path: Path, language: str) -> list[Sidecar]:
    try:
        return sidecars(path, language)
    except OSError:  # a folder that may be entered but not listed
        return []


def _about(path: Path) -> tuple[str, float | None]:
    """Return the language of the sound and the frame rate of the picture, where the file states them."""
    try:
        with open_container(path) as container:
            sound, picture = sound_stream(container), picture_stream(container)
            rate = picture.average_rate if picture is not None else None
            return language_of(sound) if sound is not None else "", float(rate) if rate else None
    except Exception:  # FFmpeg's errors, and any error of PyAV over a damaged file
        return "", None


def _read_sidecar(sidecar: Sidecar, fps: float | None) -> tuple[tuple[Cue, ...], str]:
    """Return the cues of a file, or none and why."""
    try:
        if sidecar.path.stat().st_size > MAX_BYTES:
            return (), f"the file is larger than {MAX_BYTES // 2**20} MiB"
        text = decoded(sidecar.path.read_bytes(), sidecar.language)
        if text is None:
            return (), "their encoding is not recognised"
        return said_once(read_cue_file(text, fps)), "no subtitle in it can be read"
    except Exception as error:  # pysubs2 raises many kinds of errors over damaged files
        return (), f"they cannot be read ({type(error).__name__})"


def _read_embedded(path: Path) -> list[Shown]:
    found: list[Shown] = []
    try:
        with open_container(path) as container:
            found.extend(_track(container))
    except Exception:  # FFmpeg's errors, and any error of PyAV over a damaged file
        return found
    return found


def _track(container: InputContainer) -> Iterator[Shown]:
    """Yield the cues of the chosen subtitle track."""
    stream = subtitle_stream(container)
    if stream is None or stream.time_base is None:
        return
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all  # do not read pictures and sound from the disk
    shift_s = origin_s(container)
    raw = stream.codec_context.name in _RAW
    for packet in container.demux(stream):
        if packet.pts is None or not packet.duration:
            continue
        lines = _raw_lines(bytes(packet)) if raw else [line for part in packet.decode() for line in _ass_lines(part)]
        start_s = float(packet.pts * stream.time_base) - shift_s
        yield Shown(start_s, start_s + float(packet.duration * stream.time_base), tuple(lines))


def _raw_lines(data: bytes) -> list[str]:
    """Return the lines of a packet that holds a cue as it stands in a file; FFmpeg's decoder would lose entities."""
    return lines_of(data.decode("utf-8", "replace").split("\n"))


def _ass_lines(part: object) -> list[str]:
    """Return the lines of one subtitle that FFmpeg decoded."""
    dialogue = getattr(part, "dialogue", None)
    words = dialogue.decode("utf-8", "replace") if isinstance(dialogue, bytes) else str(dialogue or "")
    return [html.unescape(line) for line in words_of_ass(re.sub(r"\r\n|\r|\n", r"\\N", words))]
