"""Find the subtitle files that belong to a video by their name, best first.

A file belongs to `talk.mp4` if it is called `talk` or `talk.mp4`, with the ending of a subtitle format, or if every
part between that and its ending is a language (`en`, `eng`, `pt-BR`, `English`) or says what kind of subtitles they are
(`sdh`, `cc`). `talk.part2.srt` belongs to another video. Files with forced subtitles translate foreign parts only, and
the speech is heard better without them, so they are left out.
"""

from __future__ import annotations

import functools
import os
import time
import unicodedata
from pathlib import Path
from typing import NamedTuple

from agentcvr_graph.media.languages import language_code, language_in_name
from agentcvr_graph.types import MEDIA_ENDINGS

ENDINGS = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".sbv", ".smi", ".sami", ".sub", ".mpl", ".lrc")
"""Endings of subtitle files; of several with one name the first is read."""
SETTLED_NS = 2_000_000_000
"""Age of a folder's last change from which its listing is kept: a clock may give two changes one time."""
_FORCED = ("forced", "foreign", "signs")
_DEAF = ("sdh", "cc", "hi")
_KINDS = ("full", "default", "auto", "orig", "und", *_DEAF)


class Sidecar(NamedTuple):
    """A subtitle file beside a video, and what its name says of it."""

    path: Path
    language: str
    """Code of the language; empty if the name has none."""
    deaf: bool
    """Made for the hard of hearing: it also names sounds."""


def sidecars(path: Path, language: str = "") -> list[Sidecar]:
    """Return the subtitle files of a video: the exact name first, then those in `language`, then other languages.

    Args:
        language: tag of the language that is spoken, if it is known.
    """
    beside = _beside(path)
    own = _spelt(path.stem)
    taken = {_spelt(other.stem) for other in beside if other.suffix.lower() in MEDIA_ENDINGS} - {own}
    files = [other for other in beside if other.suffix.lower() in ENDINGS and _spelt(other.stem) not in taken]
    named = [one for other in files if other.is_file() and (one := _read_name(other, path))]
    spoken = language_code(language) if len(named) > 1 else ""
    return sorted(named, key=lambda one: _rank(one, path, spoken))


def subtitles_beside(path: Path) -> list[Path]:
    """Return the subtitle files beside a video whose names start as its own; at least those of `sidecars`."""
    return [other for other in _beside(path) if other.suffix.lower() in ENDINGS and other.is_file()]


def _beside(path: Path) -> list[Path]:
    """Return the subtitle and media files beside a video whose names are its own up to the first dot.

    A folder is listed once until it changes: it may hold thousands of videos.
    """
    folder, changed_ns = path.parent, path.parent.stat().st_mtime_ns
    settled = time.time_ns() - changed_ns > SETTLED_NS
    names = _names(str(folder), changed_ns) if settled else _names.__wrapped__(str(folder), changed_ns)
    return [folder / name for name in names.get(_first_part(path.name), ())]


@functools.lru_cache(maxsize=16)
def _names(folder: str, changed_ns: int) -> dict[str, list[str]]:
    """Return the names of a folder's subtitle and media files by the part before the first dot."""
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 (paths of thousands of files are slow)
        if name.lower().endswith((*ENDINGS, *MEDIA_ENDINGS)) and not name.startswith("."):
            found.setdefault(_first_part(name), []).append(name)
    return found


def _first_part(name: str) -> str:
    return _spelt(name).partition(".")[0]


def _read_name(other: Path, path: Path) -> Sidecar | None:
    """Return what a file's name says of it; None if it does not belong to the video."""
    name = _spelt(other.stem)
    start = next((start for start in (_spelt(path.name), _spelt(path.stem)) if _continues(name, start)), None)
    if start is None:
        return None
    parts = [part for part in name[len(start) :].split(".") if part]
    if any(part in _FORCED for part in parts):
        return None
    kinds = parts if len(parts) > 1 else [part for part in parts if part != "hi"]  # alone, `hi` is Hindi
    languages = [language_in_name(part) for part in parts if part not in _KINDS or part not in kinds]
    if len(languages) > 1 or not all(languages):
        return None
    return Sidecar(other, next(iter(languages), ""), any(part in _DEAF for part in kinds))


def _rank(one: Sidecar, path: Path, language: str) -> tuple[object, ...]:
    exact = _spelt(one.path.stem) in (_spelt(path.stem), _spelt(path.name))
    spoken = bool(language) and one.language == language
    kind = ENDINGS.index(one.path.suffix.lower())
    return not exact, not spoken, one.deaf, bool(one.language), kind, one.path.name


def _continues(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}.")


def _spelt(name: str) -> str:
    """Return one spelling of a name: file systems write accents in two ways, and some ignore case."""
    return unicodedata.normalize("NFC", name).casefold()
