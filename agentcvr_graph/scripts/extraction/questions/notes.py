"""What scenes show and say in words, for a chat model: one line for each statement, as the master reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentcvr_graph.perception.noise import CLEAR
from agentcvr_graph.perception.simulator import SILENCE, Timeline, hear
from agentcvr_graph.render import PLAIN_PICTURE, evidence_line, picture_text
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import Citation, Evidence, Modality, Window

_LEAST_S = 0.01
"""Shorter parts of a scene inside a window do not count."""


def notes_of(video: ScriptedVideo, number: int) -> list[str]:
    """Return everything that a video shows and says, in order of time."""
    whole = Window(video=number, start_s=0.0, end_s=video.duration_s)
    statements = [*_seen(video, whole), *_heard(video, whole)]
    statements.sort(key=lambda statement: statement.window.start_s if statement.window else 0.0)
    return [evidence_line(statement) for statement in statements]


def notes_in(videos: Sequence[ScriptedVideo], windows: Sequence[Citation]) -> list[str]:
    """Return what windows show or say, window by window."""
    return [
        evidence_line(statement) for window in windows for statement in statements_in(videos[window.video - 1], window)
    ]


def statements_in(video: ScriptedVideo, window: Citation) -> list[Evidence]:
    """Return what one window shows or says, by its modality; nothing where the scenes hold nothing of it."""
    return list(_seen(video, window) if window.modality == "visual" else _heard(video, window))


def modalities_in(video: ScriptedVideo, window: Window) -> list[Modality]:
    """Return in which ways a window holds something."""
    found: dict[Modality, Iterator[Evidence]] = {"visual": _seen(video, window), "audio": _heard(video, window)}
    return [modality for modality, statements in found.items() if next(statements, None) is not None]


def _seen(video: ScriptedVideo, window: Window) -> Iterator[Evidence]:
    for scene in video.scenes:
        start_s, end_s = max(scene.start_s, window.start_s), min(scene.end_s, window.end_s)
        facts = scene.facts
        lines = (*facts.text, *(sign.text for sign in facts.signs))
        text = picture_text(scene.visual, lines, facts.colours, facts.motion)
        if end_s - start_s > _LEAST_S and text != PLAIN_PICTURE:
            yield Evidence(text=text, window=Window(video=window.video, start_s=start_s, end_s=end_s))


def _heard(video: ScriptedVideo, window: Window) -> Iterator[Evidence]:
    place = Window(video=window.video, start_s=window.start_s, end_s=window.end_s)
    return (statement for statement in hear(Timeline("", video), place, CLEAR) if statement.text != SILENCE)
