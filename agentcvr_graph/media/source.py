"""Parse a video string: a file, a URL or a folder of images, and the clip of it.

The part after `#` is a W3C media fragment: `t=12.5,40` (or `t=npt:12.5,40`, `t=,40`, `t=12.5`) makes a clip whose time
starts at 0. Several of them, such as `t=12.5,40&t=60,75`, make one clip of all these segments. Folders also take
`fps=10` and `boxes=FILE` there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from agentcvr_graph.errors import VideoError, shown_address
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.segments import WHOLE, Span
from agentcvr_graph.types import Video

_KEYS = ("t", "fps", "boxes")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_NPT = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)s?$")


@dataclass(frozen=True)
class Source:
    """A parsed video string, not yet opened."""

    given: str
    """The string that the user gave, for messages."""
    kind: Literal["file", "url", "folder"]
    place: str
    """Path or URL, without the fragment."""
    spans: tuple[Span, ...] = WHOLE
    """The segments of the file that make up the clip, in the clip's order."""
    fps: float | None = None
    boxes: str | None = None
    objects: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        return Path(self.place).expanduser()

    @property
    def name(self) -> str:
        """Return the last part of the path or URL, for messages."""
        place = urlsplit(self.place).path if self.kind == "url" else self.place
        return place.rstrip("/").rpartition("/")[2] or shown_address(self.place)


def parse_source(video: Video, access: Access = EVERYTHING) -> Source:
    """Parse a video's source string.

    Raises:
        VideoError: the scheme is unknown, the file may not be read or does not exist, or the fragment is invalid.
    """
    given = video.source
    if access.roots is not None and not _SCHEME.match(given):
        access.check_path(given, Path(given.partition("#")[0]))
    place, fragment = _split_fragment(given)
    settings = _read_fragment(given, fragment)
    spans = tuple(_read_clip(given, value) for key, value in settings if key == "t")
    others = dict(settings)
    fps = video.fps if video.fps is not None else _read_fps(given, others.get("fps"))
    kind, boxes = _kind_of(given, place), video.boxes or others.get("boxes")
    for path in (place if kind != "url" else "", boxes or ""):
        if path:
            access.check_path(given, Path(path))
    if boxes and kind != "folder":
        raise VideoError(given, "boxes are drawn on folders of images only.", fix="Leave them out.")
    return Source(
        given=given,
        kind=kind,
        place=place,
        spans=spans or WHOLE,
        fps=fps,
        boxes=boxes,
        objects=video.objects,
    )


def check_source(given: str, access: Access) -> None:
    """Refuse a video string that `access` does not allow, without opening it or looking for it.

    Only files and web addresses are known here; a string with another scheme (`script://`) is the perception's own.

    Raises:
        VideoError: the string is refused.
    """
    scheme = _SCHEME.match(given)
    name = scheme[1].lower() if scheme else ""
    if name in ("http", "https"):
        access.check_url(given)
    elif name == "file":
        access.check_path(given, Path(unquote(given[len(name) + 1 :])))
    elif "://" not in given:
        for path in (given, given.partition("#")[0]):
            access.check_path(given, Path(path))


def _split_fragment(given: str) -> tuple[str, str]:
    """Split off the fragment. A `#` in the name of an existing file does not start a fragment."""
    if "#" not in given or (not _SCHEME.match(given) and _found(given) is not None):
        return given, ""
    place, _, fragment = given.rpartition("#")
    return place, fragment


def _kind_of(given: str, place: str) -> Literal["file", "url", "folder"]:
    scheme = _SCHEME.match(place)
    if scheme and len(scheme[1]) > 1:
        if scheme[1].lower() not in ("http", "https"):
            raise VideoError(
                given, f"the scheme {scheme[1]!r} is not supported.", fix="Use a file, a folder, or an http(s) URL."
            )
        if not _host(place):
            raise VideoError(given, "the URL names no host.", fix="Write it as https://host/path.mp4.")
        return "url"
    path = _found(place)
    if path is None:
        raise VideoError(given, "no such file or folder.", fix="Check the path.")
    return "folder" if path.is_dir() else "file"


def _found(place: str) -> Path | None:
    """Return the path if it exists, else None, even if the string is no path (a sentence, a stray NUL, `~nobody`)."""
    try:
        path = Path(place).expanduser()
        return path if place.strip() and path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # such as half an IPv6 address
        return None


def _read_fragment(given: str, fragment: str) -> list[tuple[str, str]]:
    if not fragment:
        return []
    pairs = [part.partition("=") for part in fragment.split("&")]
    for key, _, value in pairs:
        if key not in _KEYS or not value:
            raise VideoError(
                given,
                f"the fragment {fragment!r} is not understood.",
                fix="Write a clip as '#t=12.5,40'; a folder also takes '#fps=10' and '&boxes=FILE'.",
            )
    return [(key, unquote(value)) for key, _, value in pairs]


def _read_clip(given: str, value: str) -> Span:
    start, comma, end = value.removeprefix("npt:").partition(",")
    try:
        start_s = _npt_s(start) if start else 0.0
        end_s = _npt_s(end) if end else None
    except (ValueError, OverflowError):
        start_s, end_s, comma = 0.0, None, ""
        start = ""
    if not start and not comma or comma and not end:
        raise VideoError(given, f"the clip 't={value}' is not understood.", fix="Write it as '#t=12.5,40'.")
    if end_s is not None and end_s <= start_s:
        raise VideoError(given, f"the clip ends at {end_s:g} s, before its start at {start_s:g} s.", fix="Swap them.")
    return start_s, end_s


def _npt_s(text: str) -> float:
    """Return the seconds of '12.5', '1:12.5' or '0:01:12.5'."""
    match = _NPT.match(text)
    if match is None:
        raise ValueError(text)
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def _read_fps(given: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        fps = float(value)
    except ValueError:
        fps = 0.0
    if not 0 < fps < 1000:
        raise VideoError(given, f"fps={value!r} is not a frame rate.", fix="Write it as '#fps=10'.")
    return fps
