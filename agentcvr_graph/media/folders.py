"""List the videos that a folder or a pattern stands for, without opening any of them.

| a folder with | is |
|---|---|
| video files | these videos, in natural order; pictures and sound files beside them are left out |
| pictures, no video files | one video: its pictures, in natural order (`readers/folder_reader.py`) |
| sound files alone | these sound files |
| none of them | an error |

A folder with a frame rate or boxes is always one video of its pictures. Only files that lie in the folder itself count;
`clips/**/*.mp4` reaches those below. A pattern (`*`, `?`, `[...]`, `**`) stands for the video and sound files that it
matches, GIFs included, and for no folders. A name that exists is no pattern, as that of a file `take [1].mp4`.

The ending of a file decides what it is; a name that ends as a video does is taken for a file. Hidden files, and links
to what may not be read, are left out. What is left out is counted in a note; what cannot be opened although it is named
like a video or a sound file is also listed with the reason.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentcvr_graph.catalogue import MAX_VIDEOS, Expansion, Refused
from agentcvr_graph.errors import VideoError
from agentcvr_graph.media import pictures, sidecars
from agentcvr_graph.media.access import Access
from agentcvr_graph.media.source import NO_FILE, locate
from agentcvr_graph.types import Video
from agentcvr_graph.utils.cancellation import raise_if_cancelled
from agentcvr_graph.utils.natural_order import natural

VIDEOS = (
    *(".mp4", ".m4v", ".mkv", ".webm", ".mov", ".qt", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v", ".ts", ".m2ts"),
    *(".mts", ".m2t", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".ogv", ".ogm", ".3gp", ".3g2", ".mxf", ".nut"),
    *(".ivf", ".rm", ".rmvb", ".dv", ".wtv", ".h264", ".hevc"),
)
SOUNDS = (
    *(
        ".mp3",
        ".m4a",
        ".m4b",
        ".aac",
        ".wav",
        ".w64",
        ".flac",
        ".aiff",
        ".aif",
        ".caf",
        ".amr",
        ".ac3",
        ".eac3",
        ".ogg",
    ),
    *(".oga", ".opus", ".wma", ".mka"),
)
PICTURES = (*pictures.ENDINGS, *pictures.UNREAD_ENDINGS)
SUBTITLES = sidecars.ENDINGS
BAD_LINK = "unreadable link"
"""Broken, or to what may not be read; a refusal does not tell which."""
BAD_NAME = "unreadable name"
NOT_A_FILE = "pipe"
PROBLEMS = {
    BAD_LINK: "the link leads to no file that may be read.",
    BAD_NAME: "its name is not UTF-8. Rename it.",
    NOT_A_FILE: NO_FILE,
}
"""Kind of what cannot be opened -> the reason."""
NAMED = 3
"""Other files that a note names."""
_MAGIC = re.compile(r"[*?\[]")
_PICTURES_MEANT = re.compile(r"(?:^|&)(?:fps|boxes)=")


@dataclass
class _Listed:
    """The files of a folder or a pattern, by kind: their paths below where it begins, with `/` between the parts."""

    videos: list[str] = field(default_factory=list[str])
    sounds: list[str] = field(default_factory=list[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    others: list[str] = field(default_factory=list[str])
    refused: list[Refused] = field(default_factory=list[Refused])

    def refuse(self, name: str, kind: str) -> None:
        """Leave out what cannot be opened; keep the reason if it is named like a video or a sound file."""
        self.left_out[kind] += 1
        if _ending(name) in (*VIDEOS, *SOUNDS):
            self.refused.append(Refused(name, PROBLEMS[kind]))

    def add(self, name: str) -> None:
        """Sort a file by its ending."""
        ending = _ending(name)
        kinds = (("image", PICTURES), ("subtitle file", SUBTITLES))
        if ending in VIDEOS:
            self.videos.append(name)
        elif ending in SOUNDS:
            self.sounds.append(name)
        elif kind := next((kind for kind, endings in kinds if ending in endings), ""):
            self.left_out[kind] += 1
        else:
            self.others.append(name.rpartition("/")[2])

    @property
    def besides(self) -> str:
        """What was left out, in words; empty if nothing was."""
        kinds = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(self.left_out.items())]
        return ", ".join([*kinds, *([self._named()] if self.others else [])])

    def _named(self) -> str:
        count = len(self.others)
        named = ", ".join(sorted(self.others, key=natural)[:NAMED])
        more = f" and {count - NAMED} more" if count > NAMED else ""
        return f"{count} other file{'' if count == 1 else 's'} ({named}{more})"


def is_plain_name(source: str) -> bool:
    """Return whether a string names one file by its ending, or a web address: there is nothing to look up."""
    if source.startswith(("http://", "https://")):
        return True
    return _ending(source.partition("#")[0]) in (*VIDEOS, *SOUNDS) and not _MAGIC.search(source)


def expand(video: Video, access: Access) -> Expansion | None:
    """Return the videos that a folder or a pattern stands for; None for one video.

    Raises:
        VideoError: there is no video, or the folder may not be read.
    """
    if video.fps is not None or video.boxes or video.objects:
        return None
    place, fragment, found = locate(video.source, access)
    if _PICTURES_MEANT.search(fragment):
        return None
    if found is not None:
        return _folder(video, place, fragment, found, access) if found.is_dir() else None
    if not _MAGIC.search(place) or "://" in place:
        return None
    return _pattern(video, place, fragment, access)


def _folder(video: Video, place: str, fragment: str, folder: Path, access: Access) -> Expansion | None:
    listed = _Listed()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                raise_if_cancelled()
                _sort(entry, listed, access)
    except OSError as error:
        problem = f"the folder cannot be read ({error.strerror or type(error).__name__})."
        raise VideoError(video.source, problem, fix="Check its permissions.") from error
    if not listed.videos and listed.left_out["image"]:
        return None
    chosen, unused = (listed.videos, listed.sounds) if listed.videos else (listed.sounds, [])
    if unused:
        listed.left_out["sound file"] += len(unused)
    if not chosen:
        raise VideoError(video.source, _nothing_in_folder(listed), fix=_fix_of_folder(place, listed))
    base = Path(place) if Path(place).absolute() == folder else folder
    return _expansion(video, base, chosen, fragment, listed)


def _sort(entry: os.DirEntry[str], listed: _Listed, access: Access) -> None:
    """Sort an entry of a folder by its kind."""
    try:
        is_file, is_folder = entry.is_file(), entry.is_dir()
    except OSError:  # a loop of links
        is_file = is_folder = False
    if entry.name.startswith("."):
        listed.left_out["hidden file"] += 1
    elif not _writable(entry.name):
        listed.refuse(entry.name, BAD_NAME)
    elif is_folder:
        listed.left_out["folder"] += 1
    elif entry.is_symlink() and not (is_file and access.may_read(Path(entry.path))):
        listed.refuse(entry.name, BAD_LINK)
    elif not is_file:
        listed.refuse(entry.name, NOT_A_FILE)
    else:
        listed.add(entry.name)


def _nothing_in_folder(listed: _Listed) -> str:
    return (
        f"the folder holds no video and no image, but {listed.besides}." if listed.besides else "the folder is empty."
    )


def _fix_of_folder(place: str, listed: _Listed) -> str:
    if listed.left_out["folder"]:
        return f"Name the folder with the videos, or all below it: '{place.rstrip('/')}/**/*.mp4'."
    return "Name a folder with video files or images."


def _pattern(video: Video, place: str, fragment: str, access: Access) -> Expansion:
    listed = _Listed()
    base, pattern = Path(), ""
    for path in access.places(Path(place).expanduser()):
        base, pattern = _fixed_part(path)
        if access.may_read(base):
            for match in _matches(video, base, pattern):
                _sort_match(match, base, pattern, listed, access)
        if listed.videos or listed.sounds:
            break
    chosen = [*listed.videos, *listed.sounds]
    if not chosen:
        access.check_path(video.source, *access.places(Path(place)))
        raise VideoError(video.source, _nothing_matches(listed), fix="Check the pattern; letter case counts.")
    return _expansion(video, base, chosen, fragment, listed)


def _fixed_part(path: Path) -> tuple[Path, str]:
    """Split a pattern at its first part that is no existing folder of that very name."""
    parts = path.parts
    count = 1 if path.is_absolute() else 0
    while count < len(parts) - 1 and _is_folder(Path(*parts[: count + 1])):
        count += 1
    rest = parts[count:]
    return Path(*parts[:count]), "/".join([*rest, "*"] if rest[-1] == "**" else rest)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _matches(video: Video, base: Path, pattern: str) -> Iterator[Path]:
    try:
        for match in base.glob(pattern):
            raise_if_cancelled()
            yield match
    except (ValueError, NotImplementedError, IndexError, re.error) as error:
        problem = f"the pattern cannot be used ({error})."
        raise VideoError(video.source, problem, fix="Write it like 'clips/*.mp4' or 'clips/**/*.mp4'.") from error
    except OSError as error:
        problem = f"a folder of the pattern cannot be read ({error.strerror or type(error).__name__})."
        raise VideoError(video.source, problem, fix="Check its permissions.") from error


def _sort_match(match: Path, base: Path, pattern: str, listed: _Listed, access: Access) -> None:
    try:
        name, is_file, is_folder = match.relative_to(base).as_posix(), match.is_file(), match.is_dir()
    except (OSError, ValueError):  # a loop of links, or a pattern that leaves its folder
        listed.refuse(match.name, BAD_LINK)
        return
    hidden = any(part.startswith(".") for part in name.split("/"))
    if hidden and not re.search(r"(?:^|/)\.", pattern):
        listed.left_out["hidden file"] += 1
    elif not _writable(str(match)):
        listed.refuse(name, BAD_NAME)
    elif is_folder:
        listed.left_out["folder"] += 1
    elif match.exists() and not is_file and access.may_read(match):
        listed.refuse(name, NOT_A_FILE)
    elif not is_file or not access.may_read(match):
        listed.refuse(name, BAD_LINK)
    elif _ending(name) == ".gif":
        listed.videos.append(name)
    else:
        listed.add(name)


def _nothing_matches(listed: _Listed) -> str:
    return f"the pattern matches no video, but {listed.besides}." if listed.besides else "the pattern matches nothing."


def _writable(name: str) -> bool:
    """Return whether a name is text: others can be stored in no checkpoint and shown to no model."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def _expansion(video: Video, base: Path, names: Sequence[str], fragment: str, listed: _Listed) -> Expansion:
    if len(names) > MAX_VIDEOS:
        problem = f"it stands for {len(names):,} videos, which are too many."
        raise VideoError(video.source, problem, fix=f"Name at most {MAX_VIDEOS:,}.")
    ordered = sorted(names, key=lambda name: [natural(part) for part in name.split("/")])
    titles = _titles(ordered)
    clip, below = f"#{fragment}" if fragment else "", "" if base == Path() else f"{base}/".replace("//", "/")
    videos = tuple(Video(source=f"{below}{name}{clip}", title=titles.get(name)) for name in ordered)
    count = f"{len(videos):,} video{'' if len(videos) == 1 else 's'}"
    note = f"{video.source}: left out besides {count}: {listed.besides}" if listed.besides else ""
    refused = tuple(Refused(f"{below}{name}", problem) for name, problem in listed.refused)
    return Expansion(videos, (note,) if note else (), refused)


def _titles(names: Sequence[str]) -> dict[str, str]:
    """Return a title for each file that would have the title of another one: its path below the folder."""
    paths = {name: os.path.splitext(name)[0] for name in names}  # noqa: PTH122
    stems = {name: path.rpartition("/")[2] for name, path in paths.items()}
    by_stem, by_path = Counter(stems.values()), Counter(paths.values())
    return {name: name if by_path[path] > 1 else path for name, path in paths.items() if by_stem[stems[name]] > 1}
