"""Parse a video string: a file, a URL or a folder of images, and the clip of it.

The part after `#` is a W3C media fragment: `t=12.5,40` (or `t=npt:12.5,40`, `t=,40`, `t=12.5`) makes a clip whose time
starts at 0. Several of them, such as `t=12.5,40&t=60,75`, make one clip of all these segments. Folders also take
`fps=10` and `boxes=FILE` there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from agentcvr_graph.errors import VideoError, shown_address
from agentcvr_graph.media.access import EVERYTHING, Access
from agentcvr_graph.media.segments import WHOLE, Span, read_span
from agentcvr_graph.types import Video

NO_FILE = "it is a pipe, a socket or a device, not a file."
_KEYS = ("t", "fps", "boxes")
_WEB = re.compile(r"^https?://", re.IGNORECASE)
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")


@dataclass(frozen=True)
class Source:
    """A parsed video string, not yet opened."""

    given: str
    """The string that the user gave, for messages."""
    kind: Literal["file", "url", "folder"]
    place: str
    """Absolute path or URL, without the fragment."""
    spans: tuple[Span, ...] = WHOLE
    """The segments of the file that make up the clip, in the clip's order."""
    fps: float | None = None
    boxes: str | None = None
    objects: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        return Path(self.place)

    @property
    def name(self) -> str:
        """Return the last part of the path or URL, for messages."""
        place = unquote(urlsplit(self.place).path) if self.kind == "url" else self.place
        return place.rstrip("/").rpartition("/")[2] or shown_address(self.place)


def parse_source(video: Video, access: Access = EVERYTHING) -> Source:
    """Parse a video's source string. What exists as a file or folder is one, whatever its name looks like.

    Raises:
        VideoError: the scheme is unknown, the file may not be read or does not exist, or the fragment is invalid.
    """
    given = video.source
    place, fragment = _split_fragment(given, access)
    settings = _read_fragment(given, fragment)
    spans = tuple(_read_clip(given, value) for key, value in settings if key == "t")
    others = dict(settings)
    fps = video.fps if video.fps is not None else _read_fps(given, others.get("fps"))
    (kind, place), boxes = _resolved(given, place, access), video.boxes or others.get("boxes")
    if boxes:
        access.check_path(given, Path(boxes))
    if boxes and kind != "folder":
        raise VideoError(given, "boxes are drawn on folders of images only.", fix="Leave them out.")
    if boxes and not Path(boxes).expanduser().is_file():
        raise VideoError(given, f"there is no file of boxes {boxes!r}.", fix="Write its path, from the working folder.")
    return Source(
        given=given,
        kind=kind,
        place=place,
        spans=spans or WHOLE,
        fps=fps,
        boxes=boxes,
        objects=video.objects,
    )


def locate(given: str, access: Access) -> tuple[str, str, Path | None]:
    """Split a video string into place and fragment, and return the file or folder that it names, if there is one."""
    if _WEB.match(given):
        return given, "", None
    place, fragment = _split_fragment(given, access)
    scheme = _SCHEME.match(place)
    if scheme and scheme[1].lower() == "file" and _found(place, access) is None:
        place = _file_of(place)
    return place, fragment, _found(place, access)


def absolute(video: Video, source: Source) -> Video:
    """Return the video, which was parsed as `source`, by its absolute path: another process has another folder."""
    if source.kind == "url":
        return video
    _, fragment = _split_fragment(video.source, EVERYTHING)
    update = {"source": f"{source.place}#{fragment}" if fragment else source.place}
    if source.boxes:
        update["boxes"] = str(Path(source.boxes).expanduser().absolute())
    return video.model_copy(update=update)


def resolved(video: Video) -> Video:
    """Return the video by the path of its file without links; one that is no file as it is.

    All spellings of a file (relative, absolute, through links) give the same video.
    """
    _, fragment, path = locate(video.source, EVERYTHING)
    if path is None:
        return video
    return video.model_copy(update={"source": f"{path.resolve()}#{fragment}" if fragment else str(path.resolve())})


def check_source(given: str, access: Access) -> None:
    """Refuse a video string that `access` does not allow, without opening it or looking for it.

    Only files and web addresses are known here; a string with another scheme (`script://`) is the perception's own.

    Raises:
        VideoError: the string is refused.
    """
    scheme = _SCHEME.match(given)
    if _WEB.match(given):
        access.check_url(given)
    elif scheme and scheme[1].lower() == "file":
        access.check_path(given, Path(_file_of(given.partition("#")[0])))
    elif "://" not in given:
        for path in (given, given.partition("#")[0]):
            access.check_path(given, *access.places(Path(path)))


def _split_fragment(given: str, access: Access) -> tuple[str, str]:
    """Split off the fragment. A `#` in the name of a file does not start one."""
    if "#" not in given or (not _WEB.match(given) and _found(given, access) is not None):
        return given, ""
    place, _, fragment = given.rpartition("#")
    is_one = (
        _WEB.match(given) or _found(place, access) is not None or fragment.startswith(tuple(f"{k}=" for k in _KEYS))
    )
    return (place, fragment) if is_one else (given, "")


def _resolved(given: str, place: str, access: Access) -> tuple[Literal["file", "url", "folder"], str]:
    """Return the kind of a place, and its URL or absolute path.

    Raises:
        VideoError: there is no such thing, or it may not be read; a refusal does not tell whether it exists.
    """
    if _WEB.match(place) and _host(place):
        return "url", place
    path, scheme = _found(place, access), _SCHEME.match(place)
    if path is None and scheme and len(scheme[1]) > 1:
        path = _schemed(given, place, scheme[1], access)
    if path is None:
        access.check_path(given, *access.places(Path(place)))
        raise VideoError(given, "no such file or folder.", fix="Check the path.")
    if path.is_dir():
        return "folder", str(path)
    if not path.is_file():  # opening a pipe waits for its writer, and a device may have no end
        raise VideoError(given, NO_FILE, fix="Copy the video into a file.")
    return "file", str(path)


def _schemed(given: str, place: str, scheme: str, access: Access) -> Path | None:
    """Return the file of a `file:` URL; None if it does not exist."""
    if scheme.lower() == "file":
        path = _file_of(place)
        access.check_path(given, Path(path))
        return _found(path, access)
    if scheme.lower() in ("http", "https"):
        raise VideoError(given, "the URL names no host.", fix="Write it as https://host/path.mp4.")
    raise VideoError(
        given,
        f"there is no such file, and the scheme {scheme!r} is not supported.",
        fix="Use a file, a folder, or an http(s) URL.",
    )


def _found(place: str, access: Access) -> Path | None:
    """Return the absolute path if it exists and may be read, else None, even if the string is no path.

    A name with accents is found however they are written.
    """
    for path in access.places(Path(place)):
        for spell in (_as_written, _expanded, _same_name):
            try:
                found = spell(path).absolute()
                if place.strip() and access.may_read(found) and found.exists():
                    return found
            except (OSError, ValueError, RuntimeError):  # a sentence, a stray NUL, `~nobody`
                continue
    return None


def _as_written(path: Path) -> Path:
    return path


def _expanded(path: Path) -> Path:
    return path.expanduser()


def _same_name(path: Path) -> Path:
    """Return the path of the file beside it whose name is the same text in another normal form of Unicode."""
    if path.name.isascii():
        return path
    wanted = unicodedata.normalize("NFC", path.name)
    return next(other for other in (*path.parent.iterdir(), path) if unicodedata.normalize("NFC", other.name) == wanted)


def _file_of(url: str) -> str:
    """Return the path of a `file:` URL, which may name this machine as its host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return url2pathname(parts.path) if parts.netloc in ("", "localhost") else url


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
    try:
        start_s, end_s = read_span(value)
    except ValueError:
        problem = f"the clip 't={value}' is not understood."
        raise VideoError(given, problem, fix="Write it as '#t=12.5,40'.") from None
    if end_s is not None and end_s <= start_s:
        raise VideoError(given, f"the clip ends at {end_s:g} s, before its start at {start_s:g} s.", fix="Swap them.")
    return start_s, end_s


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
