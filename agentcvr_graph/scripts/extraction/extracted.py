"""Extracted videos: real videos as time-stamped scenes, without a question. One JSON object a line, one a video.

`extract.py` makes them and `agentcvr scripts extract` writes them; whatever adds questions reads them here. The file is
a log (`utils/jsonl_log.py`): each video is on the disk before the next one is started, so a run that was killed
continues after the last whole line. A video that was extracted again replaces its line when the run ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Self

from pydantic import Field, ValidationError

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import Cost, FrozenModel
from agentcvr_graph.utils.files import atomic_write_text
from agentcvr_graph.utils.jsonl_log import append_row, exclusive_writer, read_rows, repair_last_row

SHOWN = 10
"""Lines that are named in an error."""
_ROW_START = '{"name":"'


class ExtractedVideo(FrozenModel):
    """A real video as a script has it, and how that was found out."""

    name: str = Field(min_length=1)
    """The file or address as it was given, such as `clips/soup.mp4`. Unique within a file."""
    video: ScriptedVideo
    """Length and scenes, ready for `Script.videos`. Its title is empty: a file name may give an answer away."""
    key: str = ""
    """Digest of what the scenes depend on: content of the video, models, version of the extraction."""
    vision: str = ""
    """Name of the vision model, like `audio`."""
    audio: str = ""
    cost: Cost = Cost()
    """What the extraction cost, caches included."""
    notes: tuple[str, ...] = ()
    """What has no place in a script or could not be decoded, such as a damaged part."""
    failed: tuple[str, ...] = ()
    """Parts for which a model or the decoder failed, each with the reason. Extracting the video again tries them
    again."""


class ExtractedFile:
    """An open file of extracted videos, as a context manager that locks it for this process.

    Args:
        path: the `.jsonl` file; made when the first video is added.

    Raises:
        InputError: on entering, when another run writes the file, or when a line of it is no extracted video. It would
            be lost, so nothing is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.videos: dict[str, ExtractedVideo] = {}
        """The videos of the file by name; of two with one name the later one, which was extracted again."""
        self._lock = ExitStack()
        self._replaced = False
        """Whether the file has further lines of a video."""

    def __enter__(self) -> Self:
        with ExitStack() as lock:
            lock.enter_context(exclusive_writer(self.path))
            repair_last_row(self.path, _ROW_START)
            self.videos = {video.name: video for video in read_extracted(self.path)}
            self._replaced = sum(1 for _ in read_rows(self.path)) > len(self.videos)
            self._lock = lock.pop_all()  # kept, now that nothing has been raised
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self._replaced:
                _drop_replaced(self.path.resolve())

    def add(self, video: ExtractedVideo) -> None:
        """Append a video, and wait until it is on the disk. On leaving, an earlier line of it is removed."""
        append_row(self.path, video.model_dump_json(exclude_defaults=True))
        self._replaced = self._replaced or video.name in self.videos
        self.videos[video.name] = video


def _drop_replaced(path: Path) -> None:
    """Keep the last line of each video, in the place of its first."""
    lines = {ExtractedVideo.model_validate_json(line).name: line.rstrip("\n") for _, line in read_rows(path)}
    atomic_write_text(path, "".join(f"{line}\n" for line in lines.values()))


def read_extracted(path: Path) -> list[ExtractedVideo]:
    """Return the videos of a file, in order, each name once; none if the file does not exist.

    Of two lines with one name the later one counts: that video has changed since, and was extracted again.

    Raises:
        InputError: lines are no extracted videos; one line for each of the first ones, with file, line and reason.
    """
    videos: dict[str, ExtractedVideo] = {}
    problems: list[str] = []
    for number, line in read_rows(path):
        try:
            video = ExtractedVideo.model_validate_json(line)
        except ValidationError as error:
            problems.append(f"{path}:{number}: no extracted video: {reasons_of(error)}.")
        else:
            videos[video.name] = video
    if problems:
        more = [f"{len(problems) - SHOWN} more lines of {path} are no extracted videos."][: len(problems) > SHOWN]
        raise InputError(
            "\n".join((*problems[:SHOWN], *more)), fix="Name a file that 'agentcvr scripts extract' wrote."
        )
    return list(videos.values())


def find_video(videos: Sequence[ExtractedVideo], name: str) -> ExtractedVideo:
    """Return the video of a name: the whole one, or the file name with or without its ending.

    >>> soup, cake = (ExtractedVideo(name=n, video=ScriptedVideo(duration_s=9)) for n in ("a/soup.mp4", "a/cake.mp4"))
    >>> find_video([soup, cake], "soup").name, find_video([soup, cake], "cake.mp4").name
    ('a/soup.mp4', 'a/cake.mp4')

    Raises:
        InputError: no video has that name, or several have it.
    """
    for names_of in (_whole, _last, _stem):
        found = [video for video in videos if names_of(video) == name]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(video.name for video in found)
            raise InputError(f"{name!r} is the name of {len(found)} videos.", fix=f"Write one of: {names}.")
    known = ", ".join(video.name for video in videos[:5]) + (", ..." if len(videos) > 5 else "")
    raise InputError(f"No extracted video is called {name!r}.", fix=f"Choose one of: {known}.")


def _whole(video: ExtractedVideo) -> str:
    return video.name


def _last(video: ExtractedVideo) -> str:
    return PurePosixPath(video.name).name


def _stem(video: ExtractedVideo) -> str:
    return PurePosixPath(video.name).stem


def reasons_of(error: ValidationError) -> str:
    """Return all faults that a schema found, in one line."""
    faults = [(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
    return "; ".join(f"{place}: {said}" if place else said for place, said in faults)
