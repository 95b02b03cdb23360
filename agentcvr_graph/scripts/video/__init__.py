"""Render a script to real videos.

`render_script` renders every video of a script: what its scenes show is drawn (`drawing.py`), what they say is spoken
(`sound.py`), and both are encoded into an MP4 file (`encoding.py`). A rendered video is as long as the scripted one, to
within a frame, and has its title, so the graph reads the same of both. Nothing of the key goes into the files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from pathlib import Path

import pysubs2

from agentcvr_graph.media.types import Cue, Pixels
from agentcvr_graph.scripts.schema import FPS, Script, ScriptedVideo
from agentcvr_graph.scripts.video.drawing import blank, draw_scene, moves
from agentcvr_graph.scripts.video.encoding import encode
from agentcvr_graph.scripts.video.sound import soundtrack, voice_of
from agentcvr_graph.types import Question, Video
from agentcvr_graph.utils.cancellation import raise_if_cancelled
from agentcvr_graph.utils.files import atomic_write_text

VERSION = "2"
"""Part of the stamp of a finished file: files of another version are rendered again."""


@dataclass(frozen=True)
class RenderedScript:
    """The files of a script."""

    paths: tuple[Path, ...]
    """One for each rendered video, in order."""
    warnings: tuple[str, ...]
    """What could not be rendered as the script says."""


def render_script(script: Script, folder: Path, *, subtitles: bool = False, limit: int | None = None) -> RenderedScript:
    """Render the videos of a script into `folder/<script id>/video_<n>.mp4`. Files that are up to date are kept.

    Args:
        subtitles: write captions as `.srt` beside every video, not only where the script says so.
        limit: largest number of videos to render: those with evidence, then the first others; None for all.

    Raises:
        SetupError: flite is not installed, or a package of the extra `live`.
        CancelledError: the task that waits for this thread was cancelled (`utils/cancellation.py`).
    """
    target = folder / script.id
    target.mkdir(parents=True, exist_ok=True)
    numbers = script.excerpt(limit or len(script.videos))
    chosen = [script.videos[number - 1] for number in numbers]
    videos = [video.model_copy(update={"subtitles": video.subtitles or subtitles}) for video in chosen]
    paths = [target / f"video_{number}.mp4" for number in numbers]
    jobs = [(video, path, f"{script.id}/{path.stem}") for video, path in zip(videos, paths, strict=True)]
    with ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1)) as pool:  # encoding and speaking release the lock
        contexts = [copy_context() for _ in jobs]  # they hold whether the caller was cancelled
        warnings = [line for lines in pool.map(_rendered_in, contexts, jobs) for line in lines]
    return RenderedScript(tuple(paths), tuple(warnings))


def _rendered_in(context: Context, job: tuple[ScriptedVideo, Path, str]) -> list[str]:
    return context.run(render_video_once, *job)


def rendered_question(script: Script, rendered: RenderedScript) -> Question:
    """Return the script's question over the rendered files of all its videos."""
    videos = [
        Video(source=str(path), title=script.video(number).title) for number, path in enumerate(rendered.paths, start=1)
    ]
    return script.as_question().model_copy(update={"videos": tuple(videos)})


def render_video(video: ScriptedVideo, path: Path, name: str) -> list[str]:
    """Render one video, and return what could not be rendered as the script says.

    Args:
        name: chooses the voice.
    """
    sound, cues, warnings = soundtrack(video, voice_of(name))
    encode(path, _pictures(video), sound, video.size)
    if video.subtitles:
        _write_subtitles(cues, path.with_suffix(".srt"))
    return warnings


def render_video_once(video: ScriptedVideo, path: Path, name: str) -> list[str]:
    """Call `render_video` unless the file exists and is up to date."""
    stamp = hashlib.sha256(f"{VERSION}|{name}|{video.model_dump_json()}".encode()).hexdigest()
    kept = path.with_suffix(".stamp")
    if path.exists() and kept.exists():
        stored, _, said = kept.read_text(encoding="utf-8").partition("\n")
        if stored == stamp:
            return said.splitlines()
    warnings = [f"{path.name}: {line}" for line in render_video(video, path, name)]
    atomic_write_text(kept, "\n".join([stamp, *warnings]))
    return warnings


def _pictures(video: ScriptedVideo) -> Iterator[Pixels]:
    """Yield all frames; each distinct picture is drawn once."""
    still: dict[int, Pixels] = {}
    empty = blank(video.size)
    for n in range(max(1, round(video.duration_s * FPS))):
        raise_if_cancelled()
        time_s = n / FPS
        index = next((i for i, scene in enumerate(video.scenes) if scene.start_s <= time_s < scene.end_s), None)
        if index is None:
            yield empty
            continue
        scene = video.scenes[index]
        if moves(scene.facts):
            yield draw_scene(scene.facts, (time_s - scene.start_s) / (scene.end_s - scene.start_s), video.size)
        else:
            if index not in still:
                still = {index: draw_scene(scene.facts, 0.5, video.size)}
            yield still[index]


def _write_subtitles(cues: list[Cue], path: Path) -> None:
    subtitles = pysubs2.SSAFile()
    for cue in cues:
        subtitles.append(pysubs2.SSAEvent(start=int(cue.start_s * 1000), end=int(cue.end_s * 1000), text=cue.text))
    subtitles.save(str(path))
