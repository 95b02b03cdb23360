"""The answers to training questions cannot be guessed: without the videos no strategy is better than chance.

Each guesser learns from 2,000 questions per task and answers 2,000 others. test_library_guessing.py has the task LIB.
"""

from __future__ import annotations

import pytest

from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import script_json
from agentcvr_graph.scripts.schema import KIND_OF
from tests.support.guessing import COUNT, best_constant, blind_guesser, halves, longest_option, mean_score, scripts

POINTS = 0.03


@pytest.mark.parametrize("task", KIND_OF)
def test_a_constant_answer_scores_at_chance(task):
    learned, held_out = halves(task)
    best = best_constant(task, learned)
    assert abs(mean_score(task, held_out, lambda _: best) - chance_level(learned)) <= POINTS


@pytest.mark.parametrize("task", [task for task in KIND_OF if KIND_OF[task] == "choice"])
def test_each_letter_and_the_longest_option_score_at_chance(task):
    held_out = scripts(task)[:COUNT]
    expected = 1 / len(held_out[0].options)
    for letter in "ABCDEF"[: len(held_out[0].options)]:
        assert abs(mean_score(task, held_out, lambda _, letter=letter: letter) - expected) <= POINTS
    if len({len(option) for option in held_out[0].options}) > 1:
        assert abs(mean_score(task, held_out, longest_option) - expected) <= POINTS


@pytest.mark.parametrize("task", [task for task in KIND_OF if KIND_OF[task] in ("choice", "choices")])
def test_a_guesser_trained_on_2000_questions_scores_at_chance(task):
    learned, held_out = halves(task)
    assert abs(mean_score(task, held_out, blind_guesser(learned)) - chance_level(learned)) <= POINTS


def test_the_guesser_detects_a_leak():
    """The guesser can find a leak: it predicts a key that depends on one word of the question."""
    leaky = [s.model_copy(update={"key": "A" if "salt" in s.question else "B"}) for s in scripts("CC")]
    assert mean_score("CC", leaky[COUNT:], blind_guesser(leaky[:COUNT])) > 0.8


def test_generated_questions_vary():
    for task in KIND_OF:
        made = list(make_scripts({task: 200}))
        assert len({script_json(script.model_copy(update={"id": "x"})) for script in made}) == 200
        assert len({script.question for script in made}) >= 2
