"""The statements of a video: what an overview `observe` and `listen` of the whole video report.

The requests go to the perception like those of the master, so the statements of a real video and of a script are made
by the same code, with the same words. The overview depends on nothing but the video's length and tracks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.index.store import Statement
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import NOTHING, PLAIN_PICTURE, UNCLEAR_SPEECH, window_label
from agentcvr_graph.types import Cost, Listen, Observation, Observe, Target, VideoInfo, Window

VERSION = 1
"""Version of the overview. It is part of every key: raise it when the same video gives other statements."""
SPACING_S = 3.0
"""Seconds between two frames of an overview; more in a video that would need more than `MOST_FRAMES`."""
MOST_FRAMES = 96
"""Largest number of frames of one video."""
FRAMES_PER_CALL = 16
"""Frames of one observe request: among more, a vision model reports fewer details of each."""
AUDIO_STEP_S = 300.0
"""Length of one listen request: the sound of a long video is not read at once."""
_EMPTY = frozenset({*NOTHING.values(), PLAIN_PICTURE, UNCLEAR_SPEECH, "silence"})
"""Texts that say that nothing was seen or heard."""
_TOUCHING_S = 0.05


@dataclass(frozen=True)
class Overview:
    """What an overview reports of one video."""

    statements: tuple[Statement, ...]
    cost: Cost
    missing: tuple[str, ...] = ()
    """Parts that could not be observed, each with the reason; no statement is about them."""


def planned_cost(info: VideoInfo) -> Cost:
    """Return the frames and seconds of sound that the overview of a video takes at most."""
    return Cost(frames=_frame_count(info), audio_s=info.duration_s if has_words(info) else 0.0)


async def overview_of(info: VideoInfo, perception: Perception) -> Overview:
    """Observe and listen to a whole video. A damaged part is left out, and named in `missing`.

    Raises:
        InfrastructureError: nothing of it could be observed, or the failure of a part may pass.
    """
    observed = await carry_out((*_observes(info), *listens(info)), info, perception)
    statements = [said for one in observed for said in _statements(one)]
    return Overview(tuple(_merged(statements)), sum((one.cost for one in observed), Cost()), failed_parts(observed))


async def carry_out(requests: Iterable[Observe | Listen], info: VideoInfo, perception: Perception) -> list[Observation]:
    """Carry out requests about one video, as video 1, one after another.

    Of a part that cannot be observed (it is damaged, or the time limit of a model has passed) the observation has no
    evidence, no model, and a note with the reason.

    Raises:
        InfrastructureError: nothing of it could be observed, or the failure of a part may pass.
    """
    alone = [info.model_copy(update={"number": 1})]
    observed: list[Observation] = []
    errors: list[InfrastructureError] = []
    for request in requests:
        try:
            visual = isinstance(request, Observe)
            observed.append(await (perception.observe(request, alone) if visual else perception.listen(request, alone)))
        except InfrastructureError as error:
            if error.transient:
                raise
            errors.append(error)
            observed.append(_failed(request, error))
    if errors and len(errors) == len(observed):
        raise errors[0]
    return observed


def _failed(request: Observe | Listen, error: InfrastructureError) -> Observation:
    """Return the observation of a request that failed for good."""
    heard = isinstance(request, Listen)
    spans = (request.window,) if heard else request.targets
    whole = Window(video=1, start_s=spans[0].start_s, end_s=spans[-1].end_s)
    note = f"{window_label(whole)} could not be {'heard' if heard else 'seen'}: {error.message}"
    return Observation(modality="audio" if heard else "visual", windows=(whole,), notes=(note,))


def failed_parts(observed: Iterable[Observation]) -> tuple[str, ...]:
    """Return which parts `carry_out` could not observe, each with the reason."""
    return without_number(note for one in observed if not one.model for note in one.notes)


def without_number(notes: Iterable[str]) -> tuple[str, ...]:
    """Return each note once, without the number of the video."""
    return tuple(dict.fromkeys(note.removeprefix("video 1: ").removeprefix("video 1, ") for note in notes))


def _frame_count(info: VideoInfo) -> int:
    return min(MOST_FRAMES, math.ceil(info.duration_s / SPACING_S)) if info.has_picture else 0


def has_words(info: VideoInfo) -> bool:
    """Return whether there may be something to hear or to read as subtitles."""
    return info.has_sound or info.has_subtitles


def _observes(info: VideoInfo) -> list[Observe]:
    """Return requests for equal stretches of the video, which share its frames."""
    frames = _frame_count(info)
    count = math.ceil(frames / FRAMES_PER_CALL)
    requests: list[Observe] = []
    for n, (start_s, end_s) in enumerate(_stretches(info.duration_s, count)):
        share = frames * (n + 1) // count - frames * n // count
        requests.append(Observe(targets=(Target(video=1, start_s=start_s, end_s=end_s, frames=share),)))
    return requests


def listens(info: VideoInfo) -> list[Listen]:
    """Return requests for all sound and subtitles of a video."""
    count = math.ceil(info.duration_s / AUDIO_STEP_S) if has_words(info) else 0
    spans = _stretches(info.duration_s, count)
    return [Listen(window=Window(video=1, start_s=start_s, end_s=end_s)) for start_s, end_s in spans]


def _stretches(duration_s: float, count: int) -> list[tuple[float, float]]:
    return [(duration_s * n / count, duration_s * (n + 1) / count) for n in range(count)]


def _statements(observation: Observation) -> Iterable[Statement]:
    modality = observation.modality
    for said in observation.evidence:
        if modality != "index" and said.window is not None and said.text.strip() and said.text not in _EMPTY:
            yield Statement(modality, said.window.start_s, said.window.end_s, said.text)


def _merged(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements in order of time, with equal ones that touch each other made one."""
    merged: list[Statement] = []
    for said in sorted(statements, key=lambda one: (one.modality, one.start_s, one.end_s)):
        last = merged[-1] if merged else None
        same = last is not None and (last.modality, last.text) == (said.modality, said.text)
        if last is not None and same and said.start_s - last.end_s <= _TOUCHING_S:
            merged[-1] = Statement(last.modality, last.start_s, max(last.end_s, said.end_s), last.text)
        else:
            merged.append(said)
    return merged
