"""The three tools: what the master may write, how that becomes a valid request, and who carries it out.

One schema for both worlds: `TOOL_SCHEMAS` is the canonical list of tool dictionaries that every model is given, live or
in training (frameworks that derive schemas by themselves add or drop keys, and a policy trained on one set of tokens
stops calling tools under another). Planning is a pure function of the arguments, the probed videos and the budget, so
a wrong window costs nothing and reads the same in both worlds; only `Tools.run` crosses the seam.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, ValidationError, field_validator

from agentcvr_graph.errors import ActionError
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.render import plain
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Citation, Listen, Observation, Observe, Target, VideoInfo, Window

SHORTEST_WINDOW_S = 0.05
W = TypeVar("W", bound=Window)


class ObserveArgs(BaseModel):
    """Look at windows of one or more videos: samples frames and tells what they show."""

    targets: list[Target] = Field(min_length=1, description="Where to look.")
    focus: str = Field(default="", description="What to look for.")


class ListenArgs(BaseModel):
    """Listen to a window of one video: tells what is said and heard."""

    video: int = Field(description="Number of the video, from 1.")
    start_s: float = Field(description="Start of the window in seconds from the start of the video.")
    end_s: float = Field(description="End of the window in seconds from the start of the video.")
    focus: str = Field(default="", description="What to listen for.")


class AnswerArgs(BaseModel):
    """Answer the question. This ends it."""

    value: Any = Field(description="The answer, in the format that the question asks for.")
    rationale: str = Field(default="", description="Why, in one or two sentences.")
    citations: list[Citation] = Field(default=[], description="The windows that prove the answer.")

    @field_validator("citations", mode="before")
    @classmethod
    def _drop_malformed(cls, citations: object) -> list[object]:
        """A right answer is not lost over a citation that names no window; that citation is."""
        items = cast(list[object], citations) if isinstance(citations, list) else []
        return [item for item in items if _is_citation(item)]


def _is_citation(item: object) -> bool:
    try:
        cited = Citation.model_validate(item)
    except ValidationError:
        return False
    return math.isfinite(cited.start_s) and math.isfinite(cited.end_s)


ARGUMENTS: dict[str, type[BaseModel]] = {"observe": ObserveArgs, "listen": ListenArgs, "answer": AnswerArgs}


def _schema(name: str, arguments: type[BaseModel]) -> dict[str, Any]:
    schema = convert_to_openai_tool(arguments)
    schema["function"]["name"] = name
    # A model may answer with a letter, a list or a number: "any" is the absence of a type, which some servers refuse.
    if name == "answer":
        schema["function"]["parameters"]["properties"]["value"]["anyOf"] = [
            {"type": "string"},
            {"type": "number"},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
        ]
    return schema


TOOL_SCHEMAS: tuple[dict[str, Any], ...] = tuple(_schema(name, arguments) for name, arguments in ARGUMENTS.items())


class Tools:
    """The typed tools over one perception."""

    def __init__(self, perception: Perception) -> None:
        self.perception = perception

    async def run(self, request: Observe | Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Carry a planned request out.

        Raises:
            InfrastructureError: the perception failed.
        """
        if isinstance(request, Observe):
            return await self.perception.observe(request, videos)
        return await self.perception.listen(request, videos)


def make_tools(perception: Perception) -> Tools:
    """The typed tools over a perception; the schemas are `TOOL_SCHEMAS` for every perception."""
    return Tools(perception)


def read_arguments(tool: str, arguments: Mapping[str, object]) -> BaseModel:
    """The typed arguments of a call.

    Raises:
        ActionError: the tool does not exist or the arguments do not fit; the message names the field.
    """
    if tool not in ARGUMENTS:
        raise ActionError(f"There is no tool {tool!r}; the tools are {', '.join(ARGUMENTS)}.")
    try:
        return ARGUMENTS[tool].model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ActionError(f"{tool}: {place}: {first['msg']}.") from None


def plan_request(
    arguments: BaseModel, videos: Sequence[VideoInfo], budget: Budget, max_frames_per_call: int
) -> tuple[Observe | Listen, tuple[str, ...]]:
    """The request that a call comes to, clipped to the videos and the budget, and notes on what was cut.

    Raises:
        ActionError: nothing of the call can be carried out.
    """
    if isinstance(arguments, ObserveArgs):
        return _plan_observe(arguments, videos, min(budget.frames, max_frames_per_call))
    return _plan_listen(cast(ListenArgs, arguments), videos, budget.audio_s)


def _plan_observe(
    arguments: ObserveArgs, videos: Sequence[VideoInfo], most_frames: int
) -> tuple[Observe, tuple[str, ...]]:
    if most_frames < 1:
        raise ActionError("The frame budget is spent.")
    targets: list[Target] = []
    problems: list[str] = []
    for target in arguments.targets:
        try:
            targets.append(_clip(target, videos, sense="look"))
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
    """The targets with at most `most_frames` frames in all, shared by duration, at least one each.

    No window gets more than it asked for. `most_frames` must be at least the number of targets.
    """
    if sum(target.frames for target in targets) <= most_frames:
        return list(targets)
    shares = [1] * len(targets)
    for _ in range(most_frames - len(targets)):
        hungry = [i for i, target in enumerate(targets) if shares[i] < target.frames]
        # The next frame goes where frames lie furthest apart.
        shares[max(hungry, key=lambda i: targets[i].duration_s / shares[i])] += 1
    return [target.model_copy(update={"frames": share}) for target, share in zip(targets, shares, strict=True)]


def _plan_listen(arguments: ListenArgs, videos: Sequence[VideoInfo], most_s: float) -> tuple[Listen, tuple[str, ...]]:
    window = Window(video=arguments.video, start_s=arguments.start_s, end_s=arguments.end_s)
    window = _clip(window, videos, sense="listen")
    if most_s < SHORTEST_WINDOW_S:
        raise ActionError("The audio budget is spent.")
    notes: tuple[str, ...] = ()
    if window.duration_s > most_s:
        window = window.model_copy(update={"end_s": window.start_s + most_s})
        notes = (f"Cut to {most_s:.1f} s: the audio budget ends there.",)
    return Listen(window=window, focus=arguments.focus), notes


def _clip(window: W, videos: Sequence[VideoInfo], sense: str) -> W:
    """The part of a window that lies inside its video."""
    info = find_video(window.video, videos)
    if sense == "look" and not info.has_picture:
        raise ActionError(f"Video {info.number} has no picture; use listen.")
    if sense == "listen" and not (info.has_sound or info.has_subtitles):
        raise ActionError(f"Video {info.number} has no sound; use observe.")
    if window.end_s <= window.start_s:
        raise ActionError(
            f"The window {window.start_s:.1f}-{window.end_s:.1f} s of video {info.number} must end after its start."
        )
    start_s, end_s = max(0.0, window.start_s), min(info.duration_s, window.end_s)
    if end_s - start_s < SHORTEST_WINDOW_S:
        raise ActionError(
            f"The window {window.start_s:.1f}-{window.end_s:.1f} s lies outside video {info.number}, "
            f"which runs from 0.0 to {info.duration_s:.1f} s."
        )
    return window.model_copy(update={"start_s": start_s, "end_s": end_s})


def find_video(number: int, videos: Sequence[VideoInfo]) -> VideoInfo:
    """The readable video of that number.

    Raises:
        ActionError: there is no such video, or it cannot be read.
    """
    if not 1 <= number <= len(videos):
        known = "the only video is 1" if len(videos) == 1 else f"the videos are 1 to {len(videos)}"
        raise ActionError(f"There is no video {number}; {known}.")
    info = videos[number - 1]
    if info.problem:
        raise ActionError(f"Video {number} cannot be read: {plain(info.problem)}")
    return info


def clip_citations(citations: Sequence[Citation], observations: Sequence[Observation]) -> tuple[Citation, ...]:
    """The citations that rest on something observed: same video and modality, overlapping a window seen or heard."""
    return tuple(
        dict.fromkeys(
            citation
            for citation in citations
            if any(
                observation.modality == citation.modality and window.overlap_s(citation) > 0
                for observation in observations
                for window in observation.windows
            )
        )
    )
