"""The nine questions of a set cannot be guessed: without the videos no strategy is better than chance.

Each guesser learns from 300 sets and answers 300 others, about 540 questions a task. The score of such a sample is
within `POINTS` (three standard errors) of what it estimates.
"""

from __future__ import annotations

import functools
from collections import Counter

import pytest

from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.generators.procedural.tours.sets import GENERATORS, make_sets
from agentcvr_graph.scripts.schema import KIND_OF
from tests.support.guessing import best_constant, blind_guesser, mean_score, without_scenes

SETS = 300
POINTS = 0.06


@functools.cache
def questions():
    """Return the questions of two times 300 sets, each with the number of its set."""
    return [(int(script.id.split("-")[1]), without_scenes(script)) for script in make_sets(2 * SETS)]


def halves(task):
    own = [(number, script) for number, script in questions() if script.task == task]
    return [script for number, script in own if number < SETS], [script for number, script in own if number >= SETS]


@pytest.mark.parametrize("task", GENERATORS)
def test_a_constant_answer_scores_at_chance(task):
    learned, held_out = halves(task)
    assert len(held_out) == 540
    best = best_constant(task, learned)
    assert abs(mean_score(task, held_out, lambda _: best) - chance_level(learned)) <= POINTS


@pytest.mark.parametrize("task", [task for task in GENERATORS if KIND_OF[task] in ("choice", "choices")])
def test_a_guesser_trained_on_300_sets_scores_at_chance(task):
    learned, held_out = halves(task)
    assert abs(mean_score(task, held_out, blind_guesser(learned)) - chance_level(learned)) <= POINTS


def test_one_key_of_a_set_says_nothing_about_the_others():
    """The keys of two questions of one task are equal as often as chance has it: one in three, seven and six."""
    equal = Counter()
    counts = Counter()
    for task in ("STOP", "SPOT", "PAIR", "COST"):
        by_set = {}
        for number, script in questions():
            if script.task == task:
                by_set.setdefault(number, []).append(script.key)
        twice = [keys for keys in by_set.values() if len(keys) == 2]
        equal[task] = sum(first == second for first, second in twice)
        counts[task] = len(twice)
    assert dict(counts) == dict.fromkeys(counts, 480)
    for task, choices in (("STOP", 3), ("SPOT", 3), ("PAIR", 7), ("COST", 6)):
        assert equal[task] / 480 == pytest.approx(1 / choices, abs=0.06)
