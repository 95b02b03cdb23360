"""Rewards: score a trajectory from the actions of the graph and the facts of its script.

`REWARDS` is the registry: a name, a function of one run and its weight. Everything else is derived from it: the keys of
`reward.weights` in a configuration, the functions and weights that TRL gets, metrics, console line, curves, the lines
of `episodes.jsonl` and the plan of a dry run. To add a reward, write one function and add one line to `REWARDS`.

| name | what it measures, from 0 to 1 | how it resists reward hacking |
|---|---|---|
| answer | the value, by the scorer of its kind | the rationale is not read |
| format | the share of actions that could be carried out | an empty run has no valid action and scores 0 |
| grounding | citations that cover the evidence windows, and little else | citing everything costs precision |
| economy | budget left over | proportional to the answer's score, so an early guess earns nothing |
| brier | 1 minus the squared error of the stated confidence | a proper score: only the true chance earns the most |

This module does not know tokens, models or the trainer. If the infrastructure failed, or a valid action could not be
carried out, the reward is None and the trainer leaves the row out of its group. An invalid argument of a tool is the
policy's own error and is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from agentcvr_graph.answers import score_of
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.trajectory import Action, Trajectory
from agentcvr_graph.types import Window

Span = tuple[float, float]
RewardFunction = Callable[[Trajectory, Script, CVRContext], float]
"""Scores one run by its script; the context holds the budgets that the run had."""


class RewardTerm(NamedTuple):
    """One part of the reward."""

    function: RewardFunction
    weight: float
    """Weight in the preset `default`."""


def infrastructure_failure(trajectory: Trajectory) -> str:
    """Return what failed in a run for a reason that the policy did not cause; empty if nothing did."""
    if trajectory.failure is not None and trajectory.failure.boundary == "infrastructure":
        return trajectory.failure.message or "the run failed"
    actions = (action for turn in trajectory.turns for action in turn.actions)
    return next((f"{action.tool}: {action.reply}" for action in actions if action.failed_by), "")


def answer_score(trajectory: Trajectory, script: Script, context: CVRContext) -> float:
    """Score the answer by the script's key; 0 without an answer."""
    return score_of(trajectory.answer, script.key)


def format_score(trajectory: Trajectory, script: Script, context: CVRContext) -> float:
    """Return the share of valid actions.

    A turn without any action counts as one invalid action. An answer in prose, or by another system's name
    (`final_answer`, `submit_answer`, `finish`), is read and counts as invalid too.
    """
    outcomes: list[bool] = []
    for turn in trajectory.turns:
        outcomes += [_carried_out(action, trajectory) for action in turn.actions] or [False]
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def grounding_score(trajectory: Trajectory, script: Script, context: CVRContext) -> float:
    """Return the F1 of cited seconds against the evidence windows, summed over videos and modalities.

    0 where the script has no evidence windows or the answer has no citations.
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


def economy_score(trajectory: Trajectory, script: Script, context: CVRContext) -> float:
    """Return the answer's score times the mean share of the turn, frame and sound budgets that is left."""
    spent = [
        (len(trajectory.turns), context.max_turns),
        (trajectory.usage.frames, context.max_frames),
        (trajectory.usage.audio_s, context.max_audio_s),
    ]
    left = [max(0.0, 1 - used / budget) for used, budget in spent if budget]
    return answer_score(trajectory, script, context) * (sum(left) / len(left) if left else 0.0)


def brier_score(trajectory: Trajectory, script: Script, context: CVRContext) -> float:
    """Return 1 minus the squared difference of the stated confidence and the answer's score (Brier, 1950).

    0 without an answer and for an answer that states no confidence. An abstention is a confidence of 0 in a value that
    scores 0. Together with the answer's reward it is that of RLCR (arXiv 2507.16806), up to a constant.
    """
    answer = trajectory.answer
    confidence = 0.0 if answer is not None and answer.abstained else answer.confidence if answer is not None else None
    return 0.0 if confidence is None else 1.0 - (confidence - answer_score(trajectory, script, context)) ** 2


REWARDS: dict[str, RewardTerm] = {
    "answer": RewardTerm(answer_score, 1.0),
    "format": RewardTerm(format_score, 0.1),
    "grounding": RewardTerm(grounding_score, 0.2),
    "economy": RewardTerm(economy_score, 0.1),
    "brier": RewardTerm(brier_score, 0.0),
}
DEFAULT = "default"
"""The preset with the weights of the registry."""
PRESETS: Mapping[str, Mapping[str, float]] = {
    "paper": {"answer": 1.0, "format": 0.1},
    "answer": {"answer": 1.0},
    "calibrated": {"answer": 1.0, "format": 0.1, "grounding": 0.2, "economy": 0.1, "brier": 0.5},
}
"""Other presets; a reward that a preset does not name has weight 0. `paper`: 1.0 for the right answer and 0.1 for calls
that parse (arXiv 2605.29643), except that an interval earns its IoU. `calibrated`: the default, and the confidence of
the feature `confidence`, which must be on."""


def preset_names() -> tuple[str, ...]:
    """Return the presets that a configuration may name."""
    return DEFAULT, *PRESETS


def preset_weights(preset: str = DEFAULT) -> dict[str, float]:
    """Return the weight of every registered reward."""
    if preset == DEFAULT:
        return {name: term.weight for name, term in REWARDS.items()}
    return complete_weights(PRESETS[preset])


def complete_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of every registered reward; one that is not named has weight 0."""
    return {name: weights.get(name, 0.0) for name in REWARDS}


def reward_of(trajectory: Trajectory, script: Script, context: CVRContext) -> dict[str, float] | None:
    """Compute all rewards of a run, before weighting, by name; None where the infrastructure failed.

    Args:
        context: the budgets that the run had.
    """
    if infrastructure_failure(trajectory):
        return None
    return {name: term.function(trajectory, script, context) for name, term in REWARDS.items()}


def total_reward(reward: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the weighted sum of the rewards."""
    return sum(weights[name] * value for name, value in reward.items())


def reward_metric(name: str) -> str:
    """Return the name under which TRL logs the mean of a reward."""
    return f"rewards/{name}/mean"


def _carried_out(action: Action, trajectory: Trajectory) -> bool:
    """Return whether the action returned an observation, or is the accepted answer, written as an action."""
    if action.prose or (action.ends and action.alias):
        return False
    if not action.ends:
        return action.observation is not None
    last = trajectory.turns[-1].actions
    return trajectory.answer is not None and bool(last) and action is last[-1]


def _merged(windows: Iterable[Window]) -> list[Span]:
    """Return the windows as spans that do not overlap, so that a second cited twice counts once."""
    merged: list[Span] = []
    for start_s, end_s in sorted((window.start_s, window.end_s) for window in windows):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _length_s(spans: Sequence[Span]) -> float:
    return sum(end_s - start_s for start_s, end_s in spans)
