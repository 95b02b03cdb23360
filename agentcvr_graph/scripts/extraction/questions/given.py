"""Scripts of questions that exist: each question with the scenes of the videos that it names.

A question that cannot be used is returned with the reason, so that one bad row hides no other. Nothing is guessed: an
unknown video, task or window is an error with the value, what is allowed, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentcvr_graph.answers.times import TIME, read_time_s
from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions.clips import named_video
from agentcvr_graph.scripts.extraction.questions.draft import SOURCES
from agentcvr_graph.scripts.extraction.questions.notes import modalities_in
from agentcvr_graph.scripts.schema import KIND_OF, TASKS, Origin, Script, ScriptedVideo, Task
from agentcvr_graph.types import AnswerKind, Citation, Modality, Question, Video, VideoInfo, Window

TASKS_OF_FILES: dict[str, Task] = {task: task for task in (*TASKS, "NUM", "LIB")}
"""What the column `task` may say."""
KINDS_OF_TASKS: dict[str, AnswerKind] = {task: KIND_OF[task] for task in (*TASKS, "NUM")}
"""The kind of answer of a task; a row may state the task alone."""
_TASK_OF: dict[AnswerKind, Task] = {
    "choice": "CC",
    "choices": "BU",
    "order": "PSS",
    "interval": "FSA",
    "text": "CCQA",
    "number": "NUM",
}
"""The task of a question that names none."""
_WINDOW = re.compile(
    rf"^(?:video\s*)?(?P<video>\d+)\s*[:,@]\s*(?P<start>{TIME})\s*s?\s*(?:-|\u2013|to)\s*(?P<end>{TIME})\s*(?:s\b)?"
    r"[\s,]*(?P<modality>[a-z]*)$",
    re.I,
)
_MODALITIES: dict[str, tuple[Modality, ...]] = {"visual": ("visual",), "audio": ("audio",), "both": ("visual", "audio")}
_TRACKS: dict[Modality, tuple[str, str, str]] = {
    "visual": ("vision", "picture", "audio"),
    "audio": ("audio", "sound", "visual"),
}
"""Modality -> the field of its model, the track, and the other modality."""
_FORM = "Write windows such as '1: 12.5-20 visual; 2: 0:03-0:09 audio'."


def script_of_question(question: Question, evidence: str, videos: Sequence[ExtractedVideo]) -> Script:
    """Return the script of a question with a key.

    Args:
        question: its `task` is one of `TASKS_OF_FILES`, or empty for the one of its kind; its videos are named as
            `named_video` reads them.
        evidence: the windows that suffice to answer, as `read_windows` reads them; empty if they are not known.
        videos: the extracted videos.

    Raises:
        InputError: a part of it cannot be used, it names a video twice, or its evidence needs a track that is missing.
    """
    if question.key is None:
        raise InputError("it has no answer.", fix="Fill the column 'answer'.")
    found = [named_video(videos, video.source) for video in question.videos]
    _require_different([one.name for one in found])
    scripted = tuple(
        one.video.model_copy(update={"title": _title(number, asked, one)})
        for number, (asked, one) in enumerate(zip(question.videos, found, strict=True), start=1)
    )
    script = Script(
        id=_id_of(question.id),
        task=_task_of(question),
        question=question.question,
        kind=question.kind,
        options=question.options,
        key=question.key,
        scoring_points=question.scoring_points,
        videos=scripted,
        evidence=tuple(read_windows(evidence, scripted)),
        origin=Origin(generator="own/questions"),
        extra={SOURCES: [one.name for one in found]},
    )
    if faults := [f"{problem.place}: {problem.message}" for problem in errors_of(script)]:
        raise InputError(f"{'; '.join(faults)}.")
    for window in script.evidence:
        _require_track(window, found[window.video - 1])
    return script


def _title(number: int, asked: Video, found: ExtractedVideo) -> str:
    """Return the title that the video has live, because a question may name videos by it."""
    return VideoInfo(number=number, video=Video(source=found.name, title=asked.title)).title


def _require_different(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"it names {name} {names.count(name)} times.",
                fix="Name each video once; a part of it is a video of its own: NAME#t=10,25.",
            )


def _require_track(window: Citation, video: ExtractedVideo) -> None:
    """Raise `InputError` for evidence that cannot be seen, or heard: nothing was looked at, or listened to."""
    model, track, other = _TRACKS[window.modality]
    whole = Window(video=1, start_s=0.0, end_s=video.video.duration_s)
    if not getattr(video, model) and window.modality not in modalities_in(video.video, whole):
        raise InputError(
            f"the evidence {window.video}: {window.start_s:g}-{window.end_s:g} is {window.modality}, and video "
            f"{window.video} ({video.name}) has no {track}.",
            fix=f"Write {other}, or another video.",
        )


def read_windows(text: str, videos: Sequence[ScriptedVideo]) -> Iterator[Citation]:
    """Yield the windows of a text such as `1: 12.5-20 visual; 2: 0:03-0:09 audio`.

    A window without `visual` or `audio` counts as what its scenes hold: a picture, sound, or both. If they hold
    nothing, it counts as what the video has: a picture, or only sound.

    Raises:
        InputError: a part is no window, or lies outside its video.
    """
    for part in filter(None, (part.strip() for part in re.split(r"[;|\n]", text))):
        window, modality = _window(part)
        if not 1 <= window.video <= len(videos):
            raise InputError(
                f"the evidence {part!r} names video {window.video}.", fix=f"Choose from 1 to {len(videos)}."
            )
        video = videos[window.video - 1]
        if not 0 <= window.start_s < window.end_s <= video.duration_s + 0.05:
            raise InputError(
                f"the evidence {part!r} is no window of video {window.video}.",
                fix=f"Choose seconds from 0 to {video.duration_s:g}, the start first.",
            )
        for found in _MODALITIES.get(modality) or _held(video, window):
            yield Citation(**window.model_dump(), modality=found)


def _held(video: ScriptedVideo, window: Window) -> Sequence[Modality]:
    """Return what the scenes of a window hold, or else the first thing that those of the whole video hold."""
    whole = Window(video=window.video, start_s=0.0, end_s=video.duration_s)
    return modalities_in(video, window) or modalities_in(video, whole)[:1] or _MODALITIES["visual"]


def _window(part: str) -> tuple[Window, str]:
    match = _WINDOW.match(part)
    modality = match["modality"].lower() if match else ""
    if match is None or modality not in ("", *_MODALITIES):
        raise InputError(f"the evidence {part!r} is not understood.", fix=_FORM)
    try:
        start_s, end_s = read_time_s(match["start"]), read_time_s(match["end"])
    except ValueError as error:
        raise InputError(f"the evidence {part!r} has no readable times.", fix=_FORM) from error
    return Window(video=int(match["video"]), start_s=start_s, end_s=end_s), modality


def _task_of(question: Question) -> Task:
    """Return the task that a question names, which must ask for its kind of answer, or that of its kind."""
    named = question.task.strip().upper()
    if not named:
        return _TASK_OF[question.kind]
    task = TASKS_OF_FILES.get(named)
    if task is None:
        allowed = ", ".join(TASKS_OF_FILES)
        raise InputError(f"the task is {question.task!r}.", fix=f"Choose from {allowed}, or leave it empty.")
    if KINDS_OF_TASKS.get(task, question.kind) != question.kind:
        raise InputError(
            f"{task} asks for an answer of kind {KIND_OF[task]!r}, and the kind is {question.kind!r}.",
            fix="Leave out one of task and kind.",
        )
    return task


def _id_of(name: str) -> str:
    """Return an id for addresses and files: letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "question"
