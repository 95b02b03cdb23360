"""`listen`: transcribe a window of one video and describe what is said and heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from agentcvr_graph.errors import ActionError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import window_label
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.spec import ToolSpec, quoted_focus
from agentcvr_graph.tools.windows import SHORTEST_WINDOW_S, clip_window
from agentcvr_graph.types import Cost, Listen, Observation, VideoInfo, Window

WHOLE_VIDEO_S = 1e6
"""Later than the end of any video; windows are clipped."""


class ListenArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Listen to a window of one video: tells what is said and heard."""

    video: int = Field(description="Number of the video, from 1.")
    start_s: float = Field(description="Start of the window in seconds from the start of the video.")
    end_s: float = Field(description="End of the window in seconds from the start of the video.")
    focus: str = Field(default="", description="What to listen for.")


def plan_listen(arguments: ListenArgs, videos: Sequence[VideoInfo], budget: Budget) -> tuple[Listen, tuple[str, ...]]:
    """Clip the window to its video and to the seconds of sound that are left.

    Raises:
        ActionError: the audio budget is spent, or the window has no sound or is not valid.
    """
    window = Window(video=arguments.video, start_s=arguments.start_s, end_s=arguments.end_s)
    window = clip_window(window, videos, "audio")
    if budget.audio_s < SHORTEST_WINDOW_S:
        raise ActionError("The audio budget is spent.")
    notes: tuple[str, ...] = ()
    if window.duration_s > budget.audio_s:
        window = window.model_copy(update={"end_s": window.start_s + budget.audio_s})
        notes = (f"Cut to {budget.audio_s:.1f} s: the audio budget ends there.",)
    return Listen(window=window, focus=arguments.focus), notes


async def run_listen(request: Listen, perception: Perception, videos: Sequence[VideoInfo]) -> Observation:
    """Send the request to the perception. No master reads the times of words, so runs do not keep them."""
    heard = await perception.listen(request, videos)
    if not any(said.word_times_s for said in heard.evidence):
        return heard
    evidence = (said.model_copy(update={"word_times_s": ()}) for said in heard.evidence)
    return heard.model_copy(update={"evidence": tuple(evidence)})


def listen_progress(request: Listen) -> str:
    """Return `listening to video 1, 0.0-8.0 s for "names"`."""
    return f"listening to {window_label(request.window)}{quoted_focus(request)}"


def listen_arguments(request: Listen) -> dict[str, Any]:
    """Return the window's fields and the focus, in the form of `ListenArgs`."""
    return {**request.window.model_dump(), "focus": request.focus}


LISTEN = ToolSpec(
    name="listen",
    arguments=ListenArgs,
    hint="tells what is said and heard in a window of one video.",
    explained=("video", "start_s", "end_s"),
    request=Listen,
    # AgentCVR's tool for subtitles; without times it means the whole video.
    aliases={"get_caption": {"start_s": 0.0, "end_s": WHOLE_VIDEO_S}},
    modality="audio",
    node="audio_agent",
    plan=plan_listen,
    run=run_listen,
    cost=lambda request: Cost(audio_s=request.window.duration_s),
    progress=listen_progress,
    to_arguments=listen_arguments,
)
