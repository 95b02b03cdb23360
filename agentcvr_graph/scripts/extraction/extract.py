"""Extract one video: look where it changes, listen to all of it, and put the statements together as scenes.

The requests go to the perception like those of a master, so a script says what the same models would say live. What
was perceived is in the cache of the media library: a run that was killed pays nothing twice.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import get_args

from agentcvr_graph.index.overview import FRAMES_PER_CALL, carry_out, failed_parts, has_words, listens, without_number
from agentcvr_graph.perception.audio_cells import CELL_S
from agentcvr_graph.perception.live import LivePerception
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.scan import Part, most_frames, scan
from agentcvr_graph.scripts.extraction.scenes import Lost, scenes_of
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import Cost, Evidence, EvidenceKind, Observation, Observe, Target, Video, VideoInfo
from agentcvr_graph.utils.cancellation import run_in_thread

VERSION = 4
"""Version of the extraction. It is part of every key: raise it when the same video gives other scenes."""
EVERY_S = 1.0
"""Seconds between two frames of a moving picture, and length of the shortest part that is looked at for itself."""
_HEIGHTS = get_args(ScriptedVideo.model_fields["height_px"].annotation)


def key_of(video: Video, stamp: str, perception: LivePerception, every_s: float) -> str:
    """Return a key of a video and of everything else that its scenes depend on, without opening it."""
    depends_on = f"{VERSION}|{every_s}|{perception.reference_key(video)}|{stamp}"
    return hashlib.blake2b(depends_on.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def planned_cost(info: VideoInfo, every_s: float, *, vision_calls: bool = True, audio_calls: bool = True) -> Cost:
    """Return the frames, seconds of sound and calls that the extraction of a video takes at most.

    Args:
        every_s: seconds between two frames of a moving picture.
        vision_calls, audio_calls: whether calls of the model are counted; those of the offline models are not.
    """
    frames = most_frames(info.duration_s, every_s) if info.has_picture else 0
    audio_s = info.duration_s if has_words(info) else 0.0
    calls = (2 * math.ceil(frames / FRAMES_PER_CALL) if vision_calls else 0) + (
        math.ceil(audio_s / CELL_S) if audio_calls else 0
    )
    return Cost(frames=frames, audio_s=audio_s, model_calls=calls)


async def extract_video(
    video: Video, name: str, key: str, perception: LivePerception, every_s: float = EVERY_S
) -> ExtractedVideo:
    """Return the scenes of a video, and which parts failed, unless all did.

    Raises:
        VideoError: it cannot be opened.
        InfrastructureError: nothing of it could be observed, or the failure of a part may pass.
        SetupError: a model or a package is missing.
    """
    info = await perception.probe(video, 1)
    parts = await _parts(info, perception, every_s) if info.has_picture else []
    observed = await carry_out((*looks(parts, every_s), *listens(info)), info, perception)
    lost = Lost()
    scenes = scenes_of(info.duration_s, _said(observed, "visual"), _said(observed, "audio"), lost)
    done = [one for one in observed if one.model]  # without one, the request failed
    notes = (*info.notes, *(note for one in done for note in one.notes), *lost.notes())
    models = {one.modality: one.model for one in done}
    return ExtractedVideo(
        name=name,
        video=ScriptedVideo(
            duration_s=info.duration_s,
            scenes=scenes,
            subtitles=info.has_subtitles,
            height_px=min(_HEIGHTS, key=lambda height: abs(height - info.height)),
            picture=info.has_picture,
            sound=info.has_sound,
        ),
        key=key,
        vision=models.get("visual", ""),
        audio=models.get("audio", ""),
        cost=_cost(observed),
        notes=without_number(notes),
        failed=failed_parts(observed),
    )


def _cost(observed: Sequence[Observation]) -> Cost:
    """Return the cost without how many frames came from a cache: the scan has just put them there."""
    return sum((one.cost for one in observed), Cost()).model_copy(update={"cached_frames": 0})


async def _parts(info: VideoInfo, perception: LivePerception, every_s: float) -> list[Part]:
    clip = await run_in_thread(perception.media.open, info.video)
    return await run_in_thread(scan, clip, every_s)


def looks(parts: Sequence[Part], every_s: float) -> Iterator[Observe]:
    """Yield requests that look at parts of video 1, each with as many frames as a vision model describes in detail."""
    targets: list[Target] = []
    for target in (target for part in parts for target in _targets(part, every_s)):
        if sum(one.frames for one in targets) + target.frames > FRAMES_PER_CALL:
            yield Observe(targets=tuple(targets))
            targets = []
        targets.append(target)
    if targets:
        yield Observe(targets=tuple(targets))


def _targets(part: Part, every_s: float) -> Iterator[Target]:
    """Yield equal stretches of a part, each with at most as many frames as go into a request."""
    frames = part.frames(every_s)
    count = math.ceil(frames / FRAMES_PER_CALL)
    step_s = (part.end_s - part.start_s) / count
    for n in range(count):
        share = frames * (n + 1) // count - frames * n // count
        end_s = part.end_s if n + 1 == count else part.start_s + (n + 1) * step_s
        yield Target(video=1, start_s=part.start_s + n * step_s, end_s=end_s, frames=share)


def _said(observed: Sequence[Observation], modality: EvidenceKind) -> list[Evidence]:
    return [said for one in observed if one.modality == modality for said in one.evidence]
