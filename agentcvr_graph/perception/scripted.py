"""Scripted perception: the perception of swap mode, a text simulator that reads time-stamped scripts.

It samples the same times as the live perception and returns what a camera and a microphone would have recorded there
(`simulator.py`), with the errors of `noise.py`. It reads nothing of a script but its timelines, neither question nor
key. The same request always returns the same observation.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.errors import InfrastructureError, InputError, VideoError
from agentcvr_graph.media.sampling import sample_times
from agentcvr_graph.models.focus import focus_first, stems
from agentcvr_graph.perception.noise import OFF, Noise, resolve_noise
from agentcvr_graph.perception.simulator import Attention, Timeline, digest_of, hear, look
from agentcvr_graph.render import NOTHING
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import ALL, FPS
from agentcvr_graph.types import Cost, Evidence, Listen, Observation, Observe, Video, VideoInfo

MODEL = "script"
MAX_TIMELINES = 1024


class ScriptedPerception:
    """A `Perception` over a library of scripts.

    Args:
        library: resolves `script://<id>/<video>`; a path opens a library.
        noise: `off`, `mild`, `fitted`, a JSON file of rates, or a `Noise`.

    Raises:
        InputError: there is no such library or noise.
    """

    def __init__(self, library: ScriptLibrary | str | Path, noise: Noise | str = OFF) -> None:
        self.library = library if isinstance(library, ScriptLibrary) else ScriptLibrary(library)
        self.noise = resolve_noise(noise)
        self._noise_key = digest_of(self.noise)
        self._timelines: OrderedDict[str, Timeline] = OrderedDict()

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Return the tracks that a file rendered from the script would have.

        Raises:
            VideoError: the library has no such script or video.
        """
        try:
            scripted = (await self._timeline(video.source)).video
        except InputError as error:
            raise VideoError(video.source, error.message, fix=error.fix) from error
        return VideoInfo(
            number=number,
            video=video if video.title else video.model_copy(update={"title": scripted.title or f"video {number}"}),
            duration_s=scripted.duration_s,
            fps=FPS,
            width=scripted.size[0],
            height=scripted.size[1],
            has_sound=scripted.has_sound,
            has_subtitles=scripted.subtitles,
        )

    async def expand(self, video: Video) -> Expansion | None:
        """Return all videos of a script for `script://<id>/*`.

        Raises:
            VideoError: the library has no such script.
        """
        if not video.source.endswith(ALL):
            return None
        try:
            found = await asyncio.to_thread(self.library.expand, video.source)
        except InputError as error:
            raise VideoError(video.source, error.message, fix=error.fix) from error
        return None if found is None else Expansion(found)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Return what the frames of the windows show.

        Raises:
            InfrastructureError: the script can no longer be read.
        """
        frames = request.frames
        attention = Attention(frames, stems(request.focus))
        evidence: list[Evidence] = []
        times_s: list[tuple[float, ...]] = []
        for target in request.targets:
            sampled = sample_times(target.start_s, target.end_s, target.frames)
            seen = list(look(await self._open(target.video, videos), target, sampled, attention, self.noise))
            if not seen and len(request.targets) > 1:
                seen = [Evidence(text=NOTHING["visual"], window=target.window)]
            evidence += seen
            times_s.append(tuple(sampled))
        return Observation(
            modality="visual",
            windows=tuple(target.window for target in request.targets),
            focus=request.focus,
            evidence=focus_first(evidence, request.focus),
            frame_times_s=tuple(times_s),
            zooms=request.zooms,
            model=MODEL,
            cost=Cost(frames=request.cost_frames),
        )

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Return what is said and heard in the window, cut at its edges.

        Raises:
            InfrastructureError: the script can no longer be read.
        """
        window = request.window
        heard = hear(await self._open(window.video, videos), window, self.noise)
        return Observation(
            modality="audio",
            windows=(window,),
            focus=request.focus,
            evidence=focus_first(heard, request.focus),
            model=MODEL,
            cost=Cost(audio_s=window.duration_s),
        )

    @property
    def index_folder(self) -> None:
        """Return None: the evidence of a script is computed at no cost."""
        return None

    def reference_key(self, video: Video) -> str:
        """Return the address and the noise. What the script says is part of the stamp."""
        return f"{video.source}|{self._noise_key}"

    async def reference_stamp(self, video: Video) -> str:
        """Return a digest of the script's video.

        Raises:
            VideoError: the library has no such script or video.
        """
        try:
            return (await self._timeline(video.source)).digest
        except InputError as error:
            raise VideoError(video.source, error.message, fix=error.fix) from error

    async def evidence_key(self, info: VideoInfo) -> str:
        """Return a key of the script's video and the noise.

        Raises:
            VideoError: the script can no longer be read.
        """
        return f"{self.reference_key(info.video)}|{await self.reference_stamp(info.video)}"

    async def _open(self, number: int, videos: Sequence[VideoInfo]) -> Timeline:
        try:
            return await self._timeline(videos[number - 1].video.source)
        except InputError as error:  # the probe could read it
            raise InfrastructureError(f"Video {number} can no longer be read: {error.message}") from error

    async def _timeline(self, source: str) -> Timeline:
        timeline = self._timelines.get(source)
        if timeline is None:
            video = await asyncio.to_thread(self.library.scripted_video, source)
            timeline = self._timelines[source] = Timeline(source, video)
            if len(self._timelines) > MAX_TIMELINES:  # oldest first: a read changes no order
                self._timelines.popitem(last=False)
        return timeline
