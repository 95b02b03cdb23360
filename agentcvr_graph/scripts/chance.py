"""Chance level: the score to expect of an answer drawn from all valid ones, without looking at any video."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

from agentcvr_graph.answers import KINDS, score_answer
from agentcvr_graph.scripts.schema import Script
from agentcvr_graph.types import AnswerValue


def chance_level(scripts: Sequence[Script]) -> float:
    """Return the mean expected score of a guess over scripts.

    A guess is one letter, one set of letters, one order, or an interval of video 2. For the other kinds it is the key
    of another script of the same task and kind. Intervals are drawn with a fixed seed, so the same scripts have the
    same level.
    """
    rng = random.Random(0)
    other_keys = _keys_of_others(scripts)
    return statistics.fmean(_expected(script, other, rng) for script, other in zip(scripts, other_keys, strict=True))


def _expected(script: Script, other_key: AnswerValue, rng: random.Random) -> float:
    chance = KINDS[script.kind].chance
    if chance is not None:
        return chance(len(script.options), len(script.videos))
    if script.kind == "interval":
        drawn = sorted(rng.uniform(0, script.videos[1].duration_s) for _ in range(2))
        return score_answer("interval", (drawn[0], drawn[1]), script.key)
    return score_answer(script.kind, other_key, script.key)


def _keys_of_others(scripts: Sequence[Script]) -> list[AnswerValue]:
    """Return for each script the key of the next one of its task and kind; for the last, that of the first."""
    alike: dict[tuple[str, str], list[Script]] = {}
    for script in scripts:
        alike.setdefault((script.task, script.kind), []).append(script)
    following = {
        script.id: after.key
        for group in alike.values()
        for script, after in zip(group, [*group[1:], group[0]], strict=True)
    }
    return [following[script.id] for script in scripts]
