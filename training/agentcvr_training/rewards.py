"""What a trajectory is worth: plain functions of what the graph did and of what the script knows.

Nothing here sees tokens, models or the trainer. A reward is a weighted sum of four parts, each from 0 to 1:

| part | what it pays | how it resists being gamed |
|---|---|---|
| answer | the value, by the scorer of its kind | the rationale is not read |
| format | the share of actions that could be carried out | an empty run has no valid action and earns none |
| grounding | citations that cover the evidence windows, and little else | citing everything costs precision |
| economy | budget left over | only in proportion to the answer, so to guess at once pays nothing |

Where the world failed and not the policy (a call that was right and could not be carried out, or a run that the world
ended), there is no reward at all: None, on which the trainer leaves the row out of its group. A wrong argument of a
tool is the policy's own doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentcvr_graph.answers import score_answer
from agentcvr_graph.graph.state import CVRContext
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Action, Trajectory
from agentcvr_graph.types import Window

Span = tuple[float, float]


@dataclass(frozen=True)
class Weights:
    """How much each part counts."""

    answer: float = 1.0
    format: float = 0.1
    grounding: float = 0.2
    economy: float = 0.1


PRESETS = {
    "default": Weights(),
    "paper": Weights(grounding=0.0, economy=0.0),
    "answer": Weights(format=0.0, grounding=0.0, economy=0.0),
}
"""`paper`: 1.0 for the right answer and 0.1 for calls that parse (arXiv 2605.29643); but an interval earns its IoU."""


@dataclass(frozen=True)
class Reward:
    """The parts of one trajectory's reward."""

    answer: float
    format: float
    grounding: float
    economy: float

    def total(self, weights: Weights) -> float:
        """The weighted sum."""
        return (
            weights.answer * self.answer
            + weights.format * self.format
            + weights.grounding * self.grounding
            + weights.economy * self.economy
        )


def reward_of(trajectory: Trajectory, script: Script, context: CVRContext) -> Reward | None:
    """The parts of a trajectory's reward; None where the world failed.

    Args:
        context: the budgets that the run had.
    """
    if infrastructure_failed(trajectory):
        return None
    answer = answer_score(trajectory, script)
    return Reward(
        answer=answer,
        format=format_score(trajectory),
        grounding=grounding_score(trajectory, script),
        economy=answer * economy_score(trajectory, context),
    )


def infrastructure_failed(trajectory: Trajectory) -> bool:
    """Whether something outside the policy went wrong."""
    ended = trajectory.failure is not None and trajectory.failure.boundary == "infrastructure"
    return ended or any(action.failed_by for turn in trajectory.turns for action in turn.actions)


def answer_score(trajectory: Trajectory, script: Script) -> float:
    """The score of the value by the script's key; 0 where there is none."""
    answer = trajectory.answer
    return score_answer(script.kind, answer.value, script.key) if answer else 0.0


def format_score(trajectory: Trajectory) -> float:
    """The share of actions that could be carried out; a turn without any counts as one that could not."""
    outcomes: list[bool] = []
    for turn in trajectory.turns:
        outcomes += [_carried_out(action, trajectory) for action in turn.actions] or [False]
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def grounding_score(trajectory: Trajectory, script: Script) -> float:
    """How well the citations meet the evidence windows: the F1 of their seconds, sense by sense and video by video.

    Scripts without evidence windows pay nothing, and neither does an answer without citations.
    """
    answer = trajectory.answer
    if answer is None or not answer.citations or not script.evidence:
        return 0.0
    places = {(window.video, window.modality) for window in (*answer.citations, *script.evidence)}
    shared_s = cited_s = wanted_s = 0.0
    for place in places:
        cited = _merged(w for w in answer.citations if (w.video, w.modality) == place)
        wanted = _merged(w for w in script.evidence if (w.video, w.modality) == place)
        shared_s += sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in cited for b in wanted)
        cited_s += _length_s(cited)
        wanted_s += _length_s(wanted)
    return 2 * shared_s / (cited_s + wanted_s) if cited_s + wanted_s else 0.0


def economy_score(trajectory: Trajectory, context: CVRContext) -> float:
    """The mean share of the budgets of turns, frames and seconds of sound that was left over."""
    spent = [
        (len(trajectory.turns), context.max_turns),
        (trajectory.usage.frames, context.max_frames),
        (trajectory.usage.audio_s, context.max_audio_s),
    ]
    left = [max(0.0, 1 - used / budget) for used, budget in spent if budget]
    return sum(left) / len(left) if left else 0.0


def _carried_out(action: Action, trajectory: Trajectory) -> bool:
    """An observation came back, or this is the answer that was accepted."""
    if action.tool != "answer":
        return action.observation is not None
    last = trajectory.turns[-1].actions
    return trajectory.answer is not None and bool(last) and action is last[-1]


def _merged(windows: Iterable[Window]) -> list[Span]:
    """The windows as spans that do not overlap, so that citing a second twice pays once."""
    merged: list[Span] = []
    for start_s, end_s in sorted((window.start_s, window.end_s) for window in windows):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _length_s(spans: Sequence[Span]) -> float:
    return sum(end_s - start_s for start_s, end_s in spans)
