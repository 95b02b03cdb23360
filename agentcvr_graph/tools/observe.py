"""`observe`: sample frames from windows of one or more videos and describe what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic import BaseModel, Field, model_validator

from agentcvr_graph.errors import ActionError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import window_label
from agentcvr_graph.tools.arguments import names_of
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.tools.spec import ToolSpec, quoted_focus
from agentcvr_graph.tools.windows import clip_window
from agentcvr_graph.types import Cost, Observation, Observe, Target, VideoInfo


class ObserveArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Look at windows of one or more videos: samples frames and tells what they show."""

    targets: list[Target] = Field(min_length=1, description="Where to look.")
    focus: str = Field(default="", description="What to look for.")

    @model_validator(mode="before")
    @classmethod
    def _wrap_window(cls, arguments: Any) -> Any:
        """Accept the fields of a single target beside the focus."""
        if not isinstance(arguments, dict) or names_of("targets") & cast(dict[str, Any], arguments).keys():
            return cast(Any, arguments)
        given = cast(dict[str, Any], arguments)
        fields = set[str]().union(*map(names_of, Target.model_fields)) & given.keys()
        rest = {key: value for key, value in given.items() if key not in fields}
        return {"targets": [{key: given[key] for key in fields}], **rest} if fields else given


def plan_observe(
    arguments: ObserveArgs, videos: Sequence[VideoInfo], budget: Budget
) -> tuple[Observe, tuple[str, ...]]:
    """Clip every window to its video and distribute the frames of the call over the windows.

    Raises:
        ActionError: the frame budget is spent, or no window can be observed.
    """
    most_frames = budget.frames_for_call
    if most_frames < 1:
        raise ActionError("The frame budget is spent.")
    targets: list[Target] = []
    problems: list[str] = []
    for target in arguments.targets:
        try:
            targets.append(clip_window(target, videos, "visual"))
        except ActionError as error:
            problems.append(str(error))
    if not targets:
        raise ActionError(" ".join(dict.fromkeys(problems)))
    if len(targets) > most_frames:
        problems.append(f"Only the first {most_frames} windows were looked at; there are no more frames.")
        targets = targets[:most_frames]
    shared = share_frames(targets, most_frames)
    if shared != targets:
        problems.append(f"{most_frames} frames were shared over the windows; that is all one call may look at.")
    return Observe(targets=tuple(shared), focus=arguments.focus), tuple(problems)


def share_frames(targets: Sequence[Target], most_frames: int) -> list[Target]:
    """Return the targets with at most `most_frames` frames in total, distributed by duration, at least one each.

    No window gets more frames than it requested. `most_frames` must be at least the number of targets.
    """
    if sum(target.frames for target in targets) <= most_frames:
        return list(targets)
    shares = [1] * len(targets)
    for _ in range(most_frames - len(targets)):
        below_request = [i for i, target in enumerate(targets) if shares[i] < target.frames]
        # The next frame goes to the window whose frames are furthest apart.
        shares[max(below_request, key=lambda i: targets[i].duration_s / shares[i])] += 1
    return [target.model_copy(update={"frames": share}) for target, share in zip(targets, shares, strict=True)]


async def run_observe(request: Observe, perception: Perception, videos: Sequence[VideoInfo]) -> Observation:
    """Send the request to the perception."""
    return await perception.observe(request, videos)


def observe_progress(request: Observe) -> str:
    """Return `observing video 1, 0.0-8.0 s (4 frames) for "salt"`."""
    places = "; ".join(
        f"{window_label(target)} ({target.frames} frame{'' if target.frames == 1 else 's'})"
        for target in request.targets
    )
    return f"observing {places}{quoted_focus(request)}"


OBSERVE = ToolSpec(
    name="observe",
    arguments=ObserveArgs,
    hint="samples frames from windows of one or more videos and tells what they show. Few frames over a long window "
    "give an overview; many frames over a short window give detail.",
    request=Observe,
    modality="visual",
    node="visual_agent",
    plan=plan_observe,
    run=run_observe,
    cost=lambda request: Cost(frames=request.frames),
    progress=observe_progress,
)
