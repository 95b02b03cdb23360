"""`observe` with zoom: a target may name a part of the picture and ask for more detail.

It has the name, the node and the run of `observe`. Only its arguments have more fields, and a frame of a target costs
as many frames of the budget as its pixels are worth (`views.py`), which planning knows from the video's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.observe import OBSERVE, ObserveArgs, within_budget, within_videos
from agentcvr_graph.types import Observe, PricedTarget, Target, VideoInfo, Zoom, ZoomObserve, ZoomTarget
from agentcvr_graph.views import frame_price


class ZoomObserveArgs(ObserveArgs):
    # The policy reads this docstring and these descriptions.
    """Look at windows of one or more videos: samples frames and tells what they show."""

    targets: list[ZoomTarget] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        min_length=1, description="Where to look."
    )
    target_type: ClassVar[type[Target]] = ZoomTarget


def plan_zoom(
    arguments: ZoomObserveArgs, videos: Sequence[VideoInfo], budget: Budget
) -> tuple[ZoomObserve, tuple[str, ...]]:
    """Clip every window to its video, price its frames, and distribute the frames of the call over the windows.

    Raises:
        ActionError: the frame budget is spent or too small for one frame, or no window can be observed.
    """
    clipped, problems = within_videos(arguments.targets, videos, budget)
    priced = [_priced(target, videos[target.video - 1]) for target in clipped]
    shared, cuts = within_budget(priced, budget.frames_for_call)
    return ZoomObserve(targets=tuple(shared), focus=arguments.focus), (*problems, *cuts)


def _priced(target: ZoomTarget, info: VideoInfo) -> PricedTarget:
    return PricedTarget(**target.model_dump(), price=frame_price(target.zoom, info.width, info.height))


def zoom_arguments(request: Observe) -> dict[str, Any]:
    """Return a request as arguments of a call; the price follows from them."""
    return request.model_dump(mode="json", exclude={"targets": {"__all__": {"price"}}})


def price_lines(videos: Sequence[VideoInfo]) -> list[str]:
    """Return what a frame of each video costs at high detail, for the brief; videos of one price share a line.

    >>> from agentcvr_graph.types import Video
    >>> price_lines([VideoInfo(number=n, video=Video(source="a"), width=1920, height=1080) for n in (1, 2)])
    ['A frame at high detail costs 9 frames, 8 with a region (videos 1, 2).']
    """
    numbers: dict[tuple[int, int], list[str]] = {}
    for info in videos:
        if info.has_picture and not info.problem:
            whole, part = (
                frame_price(Zoom(region=region, detail="high"), info.width, info.height) for region in ("", "centre")
            )
            numbers.setdefault((whole, part), []).append(str(info.number))
    return [
        f"A frame at high detail costs {whole} frame{'' if whole == 1 else 's'}, {part} with a region "
        f"(video{'' if len(named) == 1 else 's'} {', '.join(named)})."
        for (whole, part), named in numbers.items()
    ]


ZOOM_OBSERVE = replace(
    OBSERVE,
    arguments=ZoomObserveArgs,
    hint=f"{OBSERVE.hint} What is small or unreadable may show in a region of the picture, at high detail, or both.",
    request=ZoomObserve,
    plan=plan_zoom,
    to_arguments=zoom_arguments,
    in_brief=price_lines,
)
