"""Read a video's subtitles: from a sidecar file (`talk.srt`, `talk.en.vtt`), or else from its first subtitle track.

Unreadable subtitles count as missing, so they never make a question fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pysubs2
from av.stream import Discard

from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.containers import known, open_container, origin_s
from agentcvr_graph.media.types import Cue

ENDINGS = (".srt", ".vtt", ".ass", ".ssa")
MAX_BYTES = 16 * 2**20
"""Largest sidecar file that is read; the subtitles of a day of talk take a tenth of it."""


def read_cues(path: Path, access: Access = EVERYTHING) -> tuple[Cue, ...]:
    """Return all subtitles of a file, in order of time; empty if it has none or they cannot be read."""
    for sidecar in sidecars(path):
        cues = _read_sidecar(sidecar) if access.may_read(sidecar) else ()
        if cues:
            return cues
    return _read_embedded(path)


def sidecars(path: Path) -> list[Path]:
    """Return the subtitle files that belong to a video by their name."""
    beside = sorted(path.parent.glob(f"{_escaped(path.stem)}*"))
    return [
        other
        for other in beside
        if other.suffix.lower() in ENDINGS and (other.stem == path.stem or other.stem.startswith(f"{path.stem}."))
    ]


def clip_cues(cues: Sequence[Cue], start_s: float, end_s: float) -> tuple[Cue, ...]:
    """Return the cues that overlap a window, with their times clipped to it."""
    return tuple(
        Cue(max(start_s, cue.start_s), min(end_s, cue.end_s), cue.text)
        for cue in cues
        if cue.start_s < end_s and cue.end_s > start_s
    )


def _read_sidecar(path: Path) -> tuple[Cue, ...]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return ()
        events = pysubs2.load(str(path), encoding="utf-8", errors="replace")
        cues = [Cue(e.start / 1000, e.end / 1000, _one_line(e.plaintext)) for e in events if not e.is_comment]
    except Exception:  # pysubs2 raises many kinds of errors over damaged files
        return ()
    return tuple(sorted((cue for cue in cues if cue.text and cue.end_s > cue.start_s), key=lambda cue: cue.start_s))


def _read_embedded(path: Path) -> tuple[Cue, ...]:
    cues: list[Cue] = []
    try:
        with open_container(path) as container:
            stream = next(iter(container.streams.subtitles), None)
            if stream is None or stream.time_base is None or not known(stream):
                return ()
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all  # do not read pictures and sound from the disk
            shift_s = origin_s(container)
            for packet in container.demux(stream):
                if packet.pts is None or not packet.duration:
                    continue
                text = " ".join(_text(line) for line in packet.decode())
                start_s = float(packet.pts * stream.time_base) - shift_s
                if text.strip():
                    cues.append(Cue(start_s, start_s + float(packet.duration * stream.time_base), _one_line(text)))
    except Exception:  # FFmpeg's errors, and any error of PyAV over a damaged file
        return tuple(cues)
    return tuple(cues)


def _text(line: object) -> str:
    """Return the words of one decoded subtitle, without ASS markup."""
    dialogue = getattr(line, "dialogue", None)
    words = dialogue.decode("utf-8", "replace") if isinstance(dialogue, bytes) else str(dialogue or "")
    return pysubs2.SSAEvent(text=words).plaintext


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(stem: str) -> str:
    """Return a glob pattern that matches only this file name."""
    return "".join(f"[{c}]" if c in "[]*?" else c for c in stem)
