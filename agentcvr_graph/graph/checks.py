"""Plan the checks of an answer's citations, and decide what follows from them. `nodes/verify.py` carries them out.

In: an answer that fits its kind, what was observed and spent, and the reserve of the run. Out: a second look for each
citation that has no verification yet, with more frames than any look had there and without a focus, all within the
reserve. Where the master looked closely, the second look shows all parts of the picture that it was shown there, as
closely: what it claims may stand in any of them. A citation that cannot be checked is `unclear` at once, with the
reason.

A result goes to the master once, and only if a citation is not supported: then there is something to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph.budget import (
    STEPS_PER_CHECK,
    STEPS_PER_TURN,
    budget_left,
    remaining_steps,
    reserve_of,
    withheld_of,
)
from agentcvr_graph.graph.catalogues import sources_of
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import Assignment, Call, Check, CVRState
from agentcvr_graph.render import budget_text, verification_text
from agentcvr_graph.tools import TOOLS, Budget, Toolset
from agentcvr_graph.tools.answer import AbstainingAnswerArgs
from agentcvr_graph.tools.spec import AnyToolSpec
from agentcvr_graph.types import (
    Answer,
    ClaimedCitation,
    Modality,
    Observation,
    Verification,
    VideoInfo,
    Window,
    Zoom,
    ZoomObserve,
)

NODE = "verify"
LEAST_FRAMES, MOST_FRAMES = 8, 24
"""Frames of a second look, as far as the reserve allows; a crowded look would lose details."""
LEAST_CLOSE_FRAMES = 4
"""Frames from which a close look is better than one with more frames, where the master did not look closely."""
TOOL_OF: Mapping[Modality, str] = {"visual": "observe", "audio": "listen"}
MOST_CHECKED = 8
"""Citations of an answer that are checked, so that the state stays small."""
TOO_MANY = f"only the first {MOST_CHECKED} citations of an answer are checked"
NO_CLAIM = "the citation states no claim"
NO_STEPS = "the `recursion_limit` of the run leaves no step for a check"
SPENT = "the budget of {what} is spent"


class Look(NamedTuple):
    """How a window is looked at again; a sound has no such settings."""

    frames: int = LEAST_FRAMES
    """Of each part of the picture."""
    zooms: tuple[Zoom, ...] = ()
    """The parts of the picture to look at; empty for all of it at normal detail."""
    least: int = 1
    """Frames of each part without which the next look is tried."""


@dataclass
class Checks:
    """The citations of an answer that have no verification yet."""

    planned: list[Check] = field(default_factory=list[Check])
    settled: list[Verification] = field(default_factory=list[Verification])
    """Those that cannot be checked."""


def plan_checks(answer: Answer, state: CVRState, context: CVRContext, tools: Toolset) -> Checks:
    """Plan the checks that an answer still needs; the reserve is spent in the order of its citations."""
    known = [one.citation for one in state["verifications"]]
    cited = [one for one in answer.citations if isinstance(one, ClaimedCitation) and one not in known]
    checks = Checks()
    budget, problem = _budget(state, context)
    for place, citation in enumerate(cited):
        try:
            if why := problem or _why_not(citation, place):
                raise ActionError(why)
            visual = sum(one.modality == "visual" for one in cited[place:MOST_CHECKED])
            share = replace(budget, frames=budget.frames // visual if citation.modality == "visual" else budget.frames)
            looks = looks_at(citation, state["observations"], tools)
            check = _first_possible(citation, looks, sources_of(state), share, tools, state["turn"], place)
        except ActionError as error:
            checks.settled.append(unclear(citation, str(error), state["turn"]))
        else:
            checks.planned.append(check)
            tool = tool_for(citation.modality, tools)
            budget = budget.minus(tool.cost(tool.load(check.assignment.request)))
    return checks


def _first_possible(citation: ClaimedCitation, looks: Sequence[Look], *given: Any) -> Check:
    """Return the check with the first look that the budget allows, with all of its parts.

    Raises:
        ActionError: it allows none of them.
    """
    for look in looks[:-1]:
        with suppress(ActionError):
            check = plan_check(citation, look, *given)
            targets = ZoomObserve.model_validate(check.assignment.request).targets
            if len(targets) == len(look.zooms) and all(target.frames >= look.least for target in targets):
                return check
    return plan_check(citation, looks[-1], *given)


def plan_check(
    citation: ClaimedCitation,
    look: Look,
    videos: Sequence[VideoInfo],
    budget: Budget,
    tools: Toolset,
    turn: int,
    place: int,
) -> Check:
    """Return the second look at a cited window: no focus, so that nothing suggests the claim.

    Raises:
        ActionError: the window cannot be observed within the budget.
    """
    tool = tool_for(citation.modality, tools)
    request, notes = tool.planned(tool.read(_arguments(citation, look)), videos, budget)
    call = Call(id=f"check_{turn}_{place}", tool=tool.name, arguments={})
    assignment = Assignment(call=call, node=NODE, request=tool.dump(request), notes=notes, turn=turn)
    return Check(citation=citation, assignment=assignment)


def tool_for(modality: Modality, tools: Toolset) -> AnyToolSpec:
    """Return the graph's `observe` or `listen`, or the library's where the graph has none."""
    name = TOOL_OF[modality]
    return (tools if name in tools.names else TOOLS).spec(name)


def looks_at(citation: ClaimedCitation, observations: Sequence[Observation], tools: Toolset) -> list[Look]:
    """Return the second looks at a window to try, the most detailed first.

    With the feature `zoom` it is a close one: at the parts of the picture that were shown there, or at all of it.
    """
    usual = Look(frames_for(citation, observations))
    if citation.modality == "audio" or tool_for("visual", tools).request is not ZoomObserve:
        return [usual]
    zooms = _zooms(citation, observations)
    if any(zoom.words for zoom in zooms):
        closest = dict.fromkeys(zoom.model_copy(update={"detail": "high"}) if zoom.region else zoom for zoom in zooms)
        return [Look(LEAST_FRAMES, tuple(closest)), Look(LEAST_FRAMES, zooms), usual]
    return [Look(LEAST_FRAMES, (Zoom(detail="high"),), LEAST_CLOSE_FRAMES), usual]


def frames_for(citation: Window, observations: Iterable[Observation]) -> int:
    """Return the frames of a second look: twice as many as any look had in the window, within bounds."""
    seen = [
        sum(citation.start_s <= time_s <= citation.end_s for time_s in times_s)
        for observation in observations
        for window, times_s in zip(observation.windows, observation.frame_times_s, strict=False)
        if window.video == citation.video
    ]
    return min(MOST_FRAMES, max(LEAST_FRAMES, 2 * max(seen, default=0)))


def _zooms(citation: Window, observations: Iterable[Observation]) -> tuple[Zoom, ...]:
    """Return how closely a window was looked at: the parts of the picture and their detail, each once."""
    shown = [
        zoom
        for observation in observations
        if observation.modality == "visual"
        for window, zoom in observation.looks
        if window.overlap_s(citation) > 0
    ]
    return tuple(dict.fromkeys(shown))


def unclear(citation: ClaimedCitation, reason: str, turn: int) -> Verification:
    """Return the verification of a citation that could not be checked."""
    return Verification(citation=citation, verdict="unclear", reason=reason, turn=turn)


def result_for_master(
    answer: Answer, verifications: Sequence[Verification], state: CVRState, context: CVRContext, tools: Toolset
) -> str:
    """Return the result of the checks as the master reads it; empty if it does not go there.

    It does not if every citation is supported, if an earlier result went to the master, or if no turn is left.
    """
    found = [one for citation in answer.citations for one in verifications if one.citation == citation]
    sent = any(one.turn < state["turn"] for one in verifications)
    steps, elapsed_s = remaining_steps(state) - 1, state["clock"].elapsed_s
    left = budget_left(context, state["turn"], state["spent"], elapsed_s, steps)
    decided = all(one.verdict == "supported" for one in found)
    if sent or decided or left.turns < 1 or 0 in (left.tokens, left.wall_s):
        return ""
    withheld = withheld_of({**state, "verifications": [*verifications]}, reserve_of(context))
    rest = budget_left(context, state["turn"], state["spent"], elapsed_s, steps, withheld)
    return f"{verification_text(found, _choices(state, context, tools))}\n{budget_text(rest.shown())}"


def _choices(state: CVRState, context: CVRContext, tools: Toolset) -> list[str]:
    """Return what the master may do after it has read the result."""
    abstains = any(issubclass(tools[name].arguments, AbstainingAnswerArgs) for name in tools.ending)
    return [
        "keep the answer",
        "correct it",
        *(["abstain"] if abstains and context.abstain == "allowed" else []),
        *([] if state["closing"] else ["look further first"]),
    ]


def _why_not(citation: ClaimedCitation, place: int) -> str:
    """Return why a citation is not checked; empty if it is."""
    if not citation.claim.strip():
        return NO_CLAIM
    return TOO_MANY if place >= MOST_CHECKED else ""


def _budget(state: CVRState, context: CVRContext) -> tuple[Budget, str]:
    """Return what the checks may spend, and why they may not; the reserve holds it back from the master."""
    steps = remaining_steps(state) - 1
    left = budget_left(context, state["turn"], state["spent"], state["clock"].elapsed_s, steps + STEPS_PER_TURN)
    reserve = withheld_of(state, reserve_of(context))
    budget = replace(left, frames=min(left.frames, reserve.frames), audio_s=min(left.audio_s, reserve.audio_s))
    if steps < STEPS_PER_CHECK:
        return budget, NO_STEPS
    out = [what for what, amount in (("tokens", left.tokens), ("time", left.wall_s)) if amount == 0]
    return budget, SPENT.format(what=out[0]) if out else ""


def _arguments(citation: ClaimedCitation, look: Look) -> dict[str, Any]:
    window = {"video": citation.video, "start_s": citation.start_s, "end_s": citation.end_s}
    if citation.modality == "audio":
        return window
    parts = [zoom.model_dump() for zoom in look.zooms] or [{}]
    return {"targets": [{**window, "frames": look.frames, **part} for part in parts]}
