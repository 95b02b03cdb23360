"""Where the files of CrossVid are, in the layout of its own release and in that of AgentCVR.

| | CrossVid | AgentCVR |
|---|---|---|
| questions | `QA/<TASK>.json` | `question/<TASK>.json` |
| videos | `videos/{assembly,behavior,cook,movie}/...`, the name as it is | one folder below the root, `.mp4` appended |
| folder of a task | | `CC` also for CCQA, FSA and PSS; `NC` also for PI; else the task |
| PEA names | `a/b.mp4` | `a_b.mp4` |
| drones | `uav/{frames,bbox}`, objects in the question | also `uav/samples/<class>.json`, which holds the objects |

Both are tried for every file, so that a mixture works; a missing file is reported with the path of the layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentcvr_graph.eval.benchmarks.base import first_existing, is_there
from agentcvr_graph.scripts.schema import TASKS, Task

LayoutName = Literal["CrossVid", "AgentCVR"]
QUESTION_FOLDERS = ("QA", "question", "questions", "qa", ".")
FOLDERS: dict[Task, str] = {"CCQA": "CC", "FSA": "CC", "PSS": "CC", "PI": "NC"}
"""Folder of a task's videos in AgentCVR's layout, where it is not named as the task."""
_OF_AGENTCVR = ("BU", "CC", "NC", "PEA")
SUFFIX = ".mp4"


@dataclass(frozen=True)
class Layout:
    """The roots of a release's files."""

    data: Path
    videos: Path
    name: LayoutName

    def video(self, name: str, task: Task) -> str:
        """Return the video file that a field of a question names; the expected path if there is none."""
        name = str(name).replace("\\", "/")
        own = [self.videos / name, self.videos / f"{name}{SUFFIX}"]
        theirs = list(self._of_agentcvr(name, task))
        return str(first_file(*(own + theirs if self.name == "CrossVid" else theirs + own)))

    def drone(self, *parts: str) -> Path:
        """Return a file or folder of the drone views."""
        homes = (self.data, self.videos, self.videos.parent, self.data.parent)
        roots = (*(home / "uav" for home in homes), self.data, self.videos)
        return first_existing(*(root.joinpath(*parts) for root in roots))

    def question_file(self, task: Task) -> Path:
        """Return the file of a task's questions; the expected path if there is none."""
        folder = QUESTION_FOLDERS[0 if self.name == "CrossVid" else 1]
        return first_existing(*(self.data / name / f"{task}.json" for name in (folder, *QUESTION_FOLDERS)))

    def _of_agentcvr(self, name: str, task: Task) -> Iterator[Path]:
        folder = self.videos / FOLDERS.get(task, task)
        flat = name.replace("/", "_")
        names = (flat, name) if task == "PEA" else (name, flat)
        for one in names:
            yield folder / f"{one}{SUFFIX}"
            yield folder / one
        if task != "PEA":  # whose last part is the camera, the same in every recording
            yield folder / Path(name).name
            yield folder / f"{Path(name).name}{SUFFIX}"


def layout_of(data: Path, videos: Path | None) -> Layout:
    """Return the layout of a release.

    Args:
        data: the folder that holds `QA/` or `question/`, or that folder itself.
        videos: the root of the videos; None for `data/videos` if it exists, else `data`.
    """
    root = videos or first_existing(data / "videos", data)
    theirs = (data / "question").is_dir() or any((root / name).is_dir() for name in _OF_AGENTCVR)
    return Layout(data, root, "AgentCVR" if theirs else "CrossVid")


def task_files(layout: Layout) -> Iterator[tuple[Task, Path]]:
    """Yield each task with the path of its questions, whether it exists or not."""
    for task in TASKS:
        yield task, layout.question_file(task)


def first_file(*places: Path) -> Path:
    """Return the first path that is a file, else the first that exists, else the very first."""
    return next((place for place in places if is_there(place, as_file=True)), first_existing(*places))
