"""`observe`: sample frames from windows of one or more videos and describe what they show."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, Field, model_validator

from agentcvr_graph.errors import ActionError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import frames_label, window_label
from agentcvr_graph.tools.arguments import names_of
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.spec import ToolSpec, quoted_focus
from agentcvr_graph.tools.windows import clip_window
from agentcvr_graph.types import Cost, Observation, Observe, Target, VideoInfo

T = TypeVar("T", bound=Target)


class ObserveArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Look at windows of one or more videos: samples frames and tells what they show."""

    targets: list[Target] = Field(min_length=1, description="Where to look.")
    focus: str = Field(default="", description="What to look for.")
    target_type: ClassVar[type[Target]] = Target

    @model_validator(mode="before")
    @classmethod
    def _wrap_window(cls, arguments: Any) -> Any:
        """Accept the fields of a single target beside the focus."""
        if not isinstance(arguments, dict) or names_of("targets") & cast(dict[str, Any], arguments).keys():
            return cast(Any, arguments)
        given = cast(dict[str, Any], arguments)
        fields = set[str]().union(*map(names_of, cls.target_type.model_fields)) & given.keys()
        rest = {key: value for key, value in given.items() if key not in fields}
        return {"targets": [{key: given[key] for key in fields}], **rest} if fields else given


def plan_observe(
    arguments: ObserveArgs, videos: Sequence[VideoInfo], budget: Budget
) -> tuple[Observe, tuple[str, ...]]:
    """Clip every window to its video and distribute the frames of the call over the windows.

    Raises:
        ActionError: the frame budget is spent, or no window can be observed.
    """
    targets, problems = within_videos(arguments.targets, videos, budget)
    shared, cuts = within_budget(targets, budget.frames_for_call)
    return Observe(targets=tuple(shared), focus=arguments.focus), (*problems, *cuts)


def within_videos(targets: Sequence[T], videos: Sequence[VideoInfo], budget: Budget) -> tuple[list[T], list[str]]:
    """Return the targets, clipped to their videos, and why others cannot be observed.

    Raises:
        ActionError: the frame budget is spent, or no window can be observed.
    """
    if budget.frames_for_call < 1:
        raise ActionError("The frame budget is spent.")
    clipped: list[T] = []
    problems: list[str] = []
    for target in targets:
        try:
            clipped.append(clip_window(target, videos, "visual"))
        except ActionError as error:
            problems.append(str(error))
    if not clipped:
        raise ActionError(" ".join(dict.fromkeys(problems)))
    return clipped, problems


def within_budget(targets: Sequence[T], most_frames: int) -> tuple[list[T], list[str]]:
    """Return the targets with the frames that they may spend, and notes on what was cut.

    Raises:
        ActionError: a single frame of the first window costs more than that.
    """
    cuts: list[str] = []
    totals = list(itertools.accumulate(target.frame_price for target in targets))
    count = sum(total <= most_frames for total in totals)
    if not count:
        raise ActionError(
            f"One frame of the first window costs {totals[0]} frames, and {most_frames} are left for a call: ask for "
            "normal detail."
        )
    if count < len(targets):
        cuts.append(f"Only the first {count} windows were looked at; there are no more frames.")
    kept = list(targets[:count])
    shared = share_frames(kept, most_frames)
    if shared != kept:
        cuts.append(f"{most_frames} frames were shared over the windows; that is all one call may look at.")
    return shared, cuts


def share_frames(targets: Sequence[T], most_frames: int) -> list[T]:
    """Return the targets with frames that cost at most `most_frames`, distributed by duration, at least one each.

    No window gets more frames than it requested. `most_frames` must be at least the price of one frame of each target.
    """
    if sum(target.frames * target.frame_price for target in targets) <= most_frames:
        return list(targets)
    shares = [1] * len(targets)
    left = most_frames - sum(target.frame_price for target in targets)
    while wanting := [
        i for i, target in enumerate(targets) if shares[i] < target.frames and target.frame_price <= left
    ]:
        # The next frame goes to the window whose frames are furthest apart.
        chosen = max(wanting, key=lambda i: targets[i].duration_s / shares[i])
        shares[chosen] += 1
        left -= targets[chosen].frame_price
    return [target.model_copy(update={"frames": share}) for target, share in zip(targets, shares, strict=True)]


async def run_observe(request: Observe, perception: Perception, videos: Sequence[VideoInfo]) -> Observation:
    """Send the request to the perception."""
    return await perception.observe(request, videos)


def observe_progress(request: Observe) -> str:
    """Return `observing video 1, 0.0-8.0 s (4 frames) for "salt"`."""
    places = "; ".join(
        f"{window_label(target)} ({frames_label(target.frames, target.zoom)})" for target in request.targets
    )
    return f"observing {places}{quoted_focus(request)}"


OBSERVE = ToolSpec(
    name="observe",
    arguments=ObserveArgs,
    hint="samples frames from windows of one or more videos and tells what they show. Few frames over a long window "
    "give an overview; many frames over a short window give detail.",
    explained=("targets", "video", "start_s", "end_s", "frames"),
    request=Observe,
    modality="visual",
    node="visual_agent",
    plan=plan_observe,
    run=run_observe,
    cost=lambda request: Cost(frames=request.cost_frames),
    progress=observe_progress,
)
