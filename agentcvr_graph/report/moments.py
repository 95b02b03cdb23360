"""Links to moments of videos: a file or a URL with the media fragment `#t=12.5`, at which players and browsers start.

Times of a citation are those of the clip, and links hold those of the file. A page may be sent to others, so it links
to files relative to its folder and never by an absolute path. There is no link to a folder of images, to a script, to a
file that is gone, or to a URL whose user, password or query may be a key.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from urllib.parse import quote

from agentcvr_graph.errors import CVRError, shown_address
from agentcvr_graph.media.segments import by_segment, lay_out
from agentcvr_graph.media.source import Source, parse_source
from agentcvr_graph.types import Video


def link_in_page(video: Video, time_s: float, folder: Path | None) -> str:
    """Return the link to a moment from a page in a folder; empty where there is none.

    Args:
        folder: the folder of the page; None for a page without one, such as in a notebook.
    """
    source = _source_of(video)
    if source is None or (source.kind == "file" and folder is None):
        return ""
    place = _encoded(source.place) if source.kind == "url" else _relative(source.path, folder or Path())
    return f"{place}{_fragment(source, time_s)}" if place else ""


def link_on_terminal(video: Video, time_s: float) -> str:
    """Return the absolute link to a moment; empty where there is none."""
    source = _source_of(video)
    if source is None:
        return ""
    place = _encoded(source.place) if source.kind == "url" else source.path.as_uri()
    return f"{place}{_fragment(source, time_s)}"


def named_moment(video: Video, start_s: float, end_s: float) -> str:
    """Return a window as a video string of its file: `a.mp4#t=12.5,18`; empty where there is none."""
    source = _source_of(video)
    if source is None:
        return ""
    place = source.place if source.kind == "url" else _as_written(video, source)
    first_s, last_s = time_in_file(source, start_s), time_in_file(source, end_s)
    return f"{place}#t={_shown(first_s)}" + (f",{_shown(last_s)}" if first_s < last_s else "")


def _as_written(video: Video, source: Source) -> str:
    """Return the name of a file as the caller wrote it, unless '#' is a part of the name."""
    given = Path(video.source.partition("#")[0])
    return str(given) if given.is_file() and given.samefile(source.path) else source.place


def time_in_file(source: Source, time_s: float) -> float:
    """Return the time of the file at a time of the clip.

    >>> time_in_file(Source("a.mp4#t=60,90", "file", "/a.mp4", ((60.0, 90.0),)), 12.5)
    72.5
    """
    ((segment, _),) = by_segment(lay_out(source.spans, math.inf), [time_s])
    return round(time_s + segment.shift_s, 3)


def _source_of(video: Video) -> Source | None:
    try:
        source = parse_source(video)
    except CVRError:
        return None
    is_secret = source.kind == "url" and shown_address(source.place) != source.place
    return None if source.kind == "folder" or is_secret else source


def _fragment(source: Source, time_s: float) -> str:
    return f"#t={_shown(time_in_file(source, time_s))}"


def _shown(time_s: float) -> str:
    """Return a time without an exponent and without trailing zeros; players read no others.

    >>> _shown(1234567.5)
    '1234567.5'
    """
    return f"{time_s:.3f}".rstrip("0").rstrip(".")


def _encoded(address: str) -> str:
    """Return an address without characters that end an attribute of a page or a terminal's link; escapes in it stay."""
    return quote(address, safe="/:@[]!$&()*+,;=~%")


def _relative(path: Path, folder: Path) -> str:
    try:
        # as bytes, because a name may be none in UTF-8
        return quote(os.fsencode(Path(os.path.relpath(path, folder.absolute())).as_posix()))
    except ValueError:  # another drive
        return ""
