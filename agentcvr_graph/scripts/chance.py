"""What guessing is worth: the score to expect of an answer drawn from all valid ones, without a look at any video."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

from agentcvr_graph.answers import score_answer
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import AnswerValue


def chance(scripts: Sequence[Script]) -> float:
    """The mean over scripts: one letter, one set of letters, one order, an interval of video 2; for a number or a text,
    the key of another of the scripts of its task.

    Intervals are drawn with a fixed seed, so the same scripts have the same chance.
    """
    rng = random.Random(0)
    others = _keys_of_others(scripts)
    return statistics.fmean(_chance_of(script, other, rng) for script, other in zip(scripts, others, strict=True))


def _chance_of(script: Script, other: AnswerValue, rng: random.Random) -> float:
    if script.kind == "choice":
        return 1 / len(script.options)
    if script.kind == "choices":
        return 1 / (2 ** len(script.options) - 1)
    if script.kind == "order":
        return 1 / math.factorial(len(script.videos))
    if script.kind == "interval":
        drawn = sorted(rng.uniform(0, script.videos[1].duration_s) for _ in "ab")
        return score_answer("interval", (drawn[0], drawn[1]), script.key)
    return score_answer(script.kind, other, script.key)


def _keys_of_others(scripts: Sequence[Script]) -> list[AnswerValue]:
    """For each script the key of the one after it of its task, of the first for the last."""
    by_task: dict[str, list[Script]] = {}
    for script in scripts:
        by_task.setdefault(script.task, []).append(script)
    after = {
        script.id: following.key
        for same in by_task.values()
        for script, following in zip(same, [*same[1:], same[0]], strict=True)
    }
    return [after[script.id] for script in scripts]
