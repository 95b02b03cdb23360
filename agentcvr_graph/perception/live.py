"""Live perception: real videos, described by a vision model and an audio model.

Requests name windows. This module decodes their frames and sound, calls the models and caches the replies. Models need
no cache of their own:

- an observe request that was answered before (same content, windows, frames, focus and model) costs nothing;
- sound is transcribed in fixed cells of about 15 s, cut where it is quietest. A window is assembled from its cells, so
  the transcript of a moment never depends on earlier requests, and overlapping windows are transcribed once;
- requests that are answered at the same time wait for each other where they are identical (`utils/single_flight.py`).

Blocking calls run in threads. When a run is cancelled, its threads end at their next step.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import InfrastructureError, VideoError
from agentcvr_graph.media.base import Clip, Library, MediaInfo
from agentcvr_graph.media.cache import DiskCache
from agentcvr_graph.media.damage import overlapping, touching
from agentcvr_graph.media.folders import is_plain_name
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.media.sampling import sample_times
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue, Note, Samples
from agentcvr_graph.models.base import AudioModel, ModelOutput, SampledFrames, Sound, VisionModel
from agentcvr_graph.models.clients.extras import naming_extra
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.perception.audio_cells import cell_sound, cell_window, cells_of
from agentcvr_graph.perception.clipping import clip_evidence, joined
from agentcvr_graph.render import window_label
from agentcvr_graph.types import Cost, Evidence, Listen, Observation, Observe, Target, Video, VideoInfo, Window
from agentcvr_graph.utils.cancellation import raise_if_cancelled, run_in_thread
from agentcvr_graph.utils.concurrency import in_order
from agentcvr_graph.utils.single_flight import SingleFlight
from agentcvr_graph.views import View, view_of

_decoding = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))
"""Limits concurrent decoding. Each decoder uses several threads; more decoders would cost memory and save no time."""

_ABSOLUTE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]+://")
SHORTEST_VIDEO_S = 0.1
"""Length given to shorter videos, such as a single picture: times are written with one digit, and a window from 0.0 to
0.0 s cannot be asked for."""


CELLS_AT_ONCE = 4
"""Most cells of one request that are transcribed at the same time."""


class Remembered(BaseModel):
    """A model's reply, as it is cached on disk."""

    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()
    frame_times_s: tuple[tuple[float, ...], ...] = ()
    damage: tuple[Note, ...] = ()
    """What the decoder says about the sound of a cell; a window shows what touches it."""
    complete: bool = True
    """False if a target could not be decoded, which may pass: such a reply is not stored."""


@dataclass(frozen=True)
class Looked:
    """The frames of one target, or the reason why there are none."""

    sampled: SampledFrames | None
    problem: str = ""
    notes: tuple[str, ...] = ()
    """What the decoder says about the window, such as that a part of it is damaged."""


class LivePerception:
    """A `Perception` over real videos.

    Args:
        vision: describes what frames show.
        audio: transcribes speech and names other sounds.
        media: opens videos; the default keeps its caches in the user's cache folder.
    """

    def __init__(self, vision: VisionModel, audio: AudioModel, media: Library | None = None) -> None:
        self._vision = vision
        self._audio = audio
        self.media: Library = media or MediaLibrary()
        self._memory = DiskCache(self.media.cache_dir / "perceived", self.media.cache_bytes)
        self._flights = SingleFlight[Remembered](self.media.cache_dir / "locks")

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Open the video and read its headers.

        Raises:
            VideoError: the video cannot be used.
        """
        info = (await run_in_thread(self.media.open, video)).info
        return VideoInfo(
            number=number,
            video=video,
            duration_s=max(info.duration_s, SHORTEST_VIDEO_S),
            fps=info.fps,
            width=info.width,
            height=info.height,
            has_sound=info.has_sound,
            has_subtitles=info.has_subtitles,
            tracks=info.tracks,
            notes=tuple(map(str, info.notes)),
        )

    async def expand(self, video: Video) -> Expansion | None:
        """Return the videos that a folder or a pattern stands for, without opening any; None for one video.

        Raises:
            VideoError: there is no video, or the folder may not be read.
        """
        return None if is_plain_name(video.source) else await run_in_thread(self.media.expand, video)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Sample the targets and call the vision model. A target that cannot be decoded becomes a note.

        Raises:
            InfrastructureError: no target could be decoded, or the model failed.
            SetupError: a package is not installed.
        """
        with naming_extra("live"):
            return await self._observed(request, videos)

    async def _observed(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        medias = await asyncio.gather(*(self._open(target.video, videos) for target in request.targets))
        key = self._observe_key(request, medias)
        said, cost = await self._once(key, lambda: self._look(request, medias))
        frames = sum(
            len(times) * target.frame_price for times, target in zip(said.frame_times_s, request.targets, strict=True)
        )
        return self._seen(request, said, cost or Cost(frames=frames, cached_frames=frames))

    @property
    def index_folder(self) -> Path:
        """The folder of the index, beside the caches of the media library."""
        return self.media.cache_dir / "index"

    def reference_key(self, video: Video) -> str:
        """Return the absolute place of the video, and what else an observation depends on."""
        place = video.source if _ABSOLUTE.match(video.source) else Path(video.source).absolute()
        return f"{self._evidence_models}|{place}|{video.fps}|{video.boxes}|{video.objects}"

    async def reference_stamp(self, video: Video) -> str:
        """Return sizes and times of the files.

        Raises:
            VideoError: the video is missing, or may not be read.
        """
        return await run_in_thread(self.media.stamp, video)

    @property
    def _evidence_models(self) -> str:
        return f"{self._vision.name}|{self.media.long_side_px}|{self._audio.name}"

    async def evidence_key(self, info: VideoInfo) -> str:
        """Return a key of the clip's content, its subtitles, the names of the models and the size of frames.

        Raises:
            VideoError: the video can no longer be used.
        """
        media = await run_in_thread(self.media.open, info.video)
        cues = await run_in_thread(media.cues, 0.0, info.duration_s) if info.has_subtitles else ()
        return _digest(f"{media.info.content_id}|{self._evidence_models}|{cues}")

    async def _look(self, request: Observe, medias: Sequence[Clip]) -> tuple[Remembered, Cost]:
        """Return what the vision model says of the targets, and what it cost."""
        looked = await asyncio.gather(
            *(run_in_thread(self._frames, media, target) for media, target in zip(medias, request.targets, strict=True))
        )
        sampled = [look.sampled for look in looked if look.sampled is not None]
        problems = tuple(look.problem for look in looked if look.problem)
        if not sampled:
            raise InfrastructureError(" ".join(dict.fromkeys(problems)))
        output = await self._vision.look(sampled, request.focus)
        times = tuple(tuple(f.time_s for f in look.sampled.frames) if look.sampled else () for look in looked)
        decoder_notes = (note for look in looked for note in look.notes)
        notes = (*output.notes, *_sampling_notes(request, times), *dict.fromkeys(decoder_notes), *problems)
        fresh = Remembered(evidence=output.evidence, notes=notes, frame_times_s=times, complete=not problems)
        priced = [
            (target.frame_price, frame.cached)
            for target, look in zip(request.targets, looked, strict=True)
            for frame in (look.sampled.frames if look.sampled else ())
        ]
        cached = sum(price for price, was_cached in priced if was_cached)
        return fresh, Cost(frames=sum(price for price, _ in priced), cached_frames=cached) + output.cost

    def _frames(self, media: Clip, target: Target) -> Looked:
        # With zoom on, also a whole picture is cut out of the large one: a closer look then decodes nothing.
        zoom = target.zoom
        return _look(media, target, None if zoom is None else view_of(zoom, self.media.long_side_px))

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Assemble the window from its cells. If subtitles overlap it, use them and the whole window's sound instead.

        Raises:
            InfrastructureError: the sound cannot be decoded, or the model failed.
            SetupError: a package is not installed.
        """
        with naming_extra("live"):
            return await self._listened(request, videos)

    async def _listened(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        window = request.window
        media = await self._open(window.video, videos)
        cues = await run_in_thread(media.cues, window.start_s, window.end_s)
        if cues:
            heard, cost = await self._subtitled(request, media, cues)
            said = (*heard.notes, *overlapping(heard.damage, window.start_s, window.end_s))
            return self._heard(request, heard.evidence, said, cost)
        evidence: list[Evidence] = []
        notes: list[str] = []
        cost = Cost(audio_s=window.duration_s)
        numbers = cells_of(window, media.info.duration_s)
        cells = await in_order(lambda number: self._cell(media, number), numbers, CELLS_AT_ONCE)
        for number, (cell, damage, cached) in zip(numbers, cells, strict=True):
            evidence += cell.evidence
            notes += [*cell.notes, *overlapping(damage, window.start_s, window.end_s)]
            if cached:
                cost += Cost(cached_audio_s=cell_window(window.video, number).overlap_s(window))
            else:
                cost += cell.cost
        return self._heard(request, evidence, notes, cost)

    async def _cell(self, media: Clip, number: int) -> tuple[ModelOutput, tuple[Note, ...], bool]:
        """Return what is heard in one cell (as if in video 1), the decoder's notes, and whether it was remembered."""
        key = f"cell|{self._audio.name}|{media.info.content_id}|{number}"

        async def hear() -> tuple[Remembered, Cost]:
            sound = await run_in_thread(cell_sound, media, number)
            heard = await self._audio.hear(sound, "")
            damage = touching(media.all_notes(), sound.window.start_s, sound.window.end_s, "audio")
            return Remembered(evidence=heard.evidence, notes=heard.notes, damage=damage), heard.cost

        said, cost = await self._once(key, hear)
        return ModelOutput(said.evidence, said.notes, cost or Cost()), said.damage, cost is None

    async def _subtitled(self, request: Listen, media: Clip, cues: tuple[Cue, ...]) -> tuple[Remembered, Cost]:
        """Return what the audio model says of a window with subtitles, and the cost."""
        window = request.window
        key = f"subtitled|{self._audio.name}|{media.info.content_id}|{request.model_dump_json()}|{cues}"

        async def hear() -> tuple[Remembered, Cost]:
            samples = await run_in_thread(_sound_or_silence, media, window)
            heard = await self._audio.hear(Sound(window, samples, cues, media.info.content_id), request.focus)
            damage = touching(media.all_notes(), window.start_s, window.end_s, "audio")
            return Remembered(evidence=heard.evidence, notes=heard.notes, damage=damage), heard.cost

        said, cost = await self._once(key, hear)
        cached_s = window.duration_s if cost is None else 0.0
        return said, Cost(audio_s=window.duration_s, cached_audio_s=cached_s) + (cost or Cost())

    async def _once(
        self, key: str, work: Callable[[], Awaitable[tuple[Remembered, Cost]]]
    ) -> tuple[Remembered, Cost | None]:
        """Return what is remembered for a key, with None; else the result of the work and its cost, and remember it."""
        paid: list[Cost] = []

        async def done() -> Remembered:
            fresh, cost = await work()
            if fresh.complete:
                await asyncio.to_thread(self._remember, key, fresh)
            paid.append(cost)
            return fresh

        said = await self._flights.run(key, lambda: asyncio.to_thread(self._recall, key), done)
        return said, paid[0] if paid else None

    async def _open(self, number: int, videos: Sequence[VideoInfo]) -> Clip:
        probed = videos[number - 1]
        try:
            media = await run_in_thread(self.media.open, probed.video)
        except VideoError as error:  # the video could be read when it was probed
            raise InfrastructureError(f"Video {number} can no longer be read: {error.problem}") from error
        if _shape(media.info) != _shape(probed):
            raise InfrastructureError(f"Video {number} is no longer the file that the question began with.")
        return media

    def _seen(self, request: Observe, said: Remembered, cost: Cost) -> Observation:
        return Observation(
            modality="visual",
            windows=tuple(target.window for target in request.targets),
            focus=request.focus,
            evidence=said.evidence,
            frame_times_s=said.frame_times_s,
            zooms=request.zooms,
            notes=said.notes,
            model=self._vision.name,
            cost=cost,
        )

    def _heard(self, request: Listen, evidence: Iterable[Evidence], notes: Iterable[str], cost: Cost) -> Observation:
        inside = joined(cut for said in evidence if (cut := clip_evidence(said, request.window)) is not None)
        return Observation(
            modality="audio",
            windows=(request.window,),
            focus=request.focus,
            evidence=focus_first(inside, request.focus),
            notes=tuple(dict.fromkeys(notes)),
            model=self._audio.name,
            cost=cost,
        )

    def _observe_key(self, request: Observe, medias: Sequence[Clip]) -> str:
        contents = "|".join(media.info.content_id for media in medias)
        return f"observe|{self._vision.name}|{self.media.long_side_px}|{contents}|{request.model_dump_json()}"

    def _recall(self, key: str) -> Remembered | None:
        stored = self._memory.get(_digest(key))
        return None if stored is None else Remembered.model_validate_json(stored)

    def _remember(self, key: str, said: Remembered) -> None:
        self._memory.put(_digest(key), said.model_dump_json().encode())


def _shape(info: MediaInfo | VideoInfo) -> tuple[object, ...]:
    """Return what a probe keeps of a file, to recognise one that was replaced while a question is answered."""
    return max(info.duration_s, SHORTEST_VIDEO_S), info.fps, info.width, info.height, info.has_sound


def _look(media: Clip, target: Target, view: View | None) -> Looked:
    times_s = sample_times(target.start_s, target.end_s, target.frames)
    try:
        with _decoding:
            raise_if_cancelled()
            frames = media.frames(times_s, view)
    except InfrastructureError as error:
        return Looked(None, f"Video {target.video}: {error.message}")
    distinct = {frame.time_s: frame for frame in frames}
    sampled = SampledFrames(target.window, tuple(distinct.values()), media.info.content_id, target.zoom)
    notes = tuple(f"video {target.video}: {note}" for note in media.notes(target.start_s, target.end_s, "visual"))
    return Looked(sampled, notes=notes)


def _sampling_notes(request: Observe, times_s: Sequence[Sequence[float]]) -> list[str]:
    """Return a note for each target with fewer different frames than requested."""
    return [
        f"{window_label(target)}: "
        + (f"{len(times)} different frames" if len(times) > 1 else "only one frame")
        + f", not {target.frames}"
        for target, times in zip(request.targets, times_s, strict=True)
        if 0 < len(times) < target.frames
    ]


def _sound_or_silence(media: Clip, window: Window) -> Samples:
    """Return the window's samples; zeros for a video without sound, which may still have subtitles."""
    if not media.info.has_sound:
        return np.zeros(round(window.duration_s * SAMPLE_RATE_HZ), dtype=np.float32)
    return media.sound(window.start_s, window.end_s)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
