"""Answers to library questions cannot be guessed: neither blind, nor by a title, a decoy, or a count over all videos.

The rules read what every video states, but not which of them the question describes.
"""

from __future__ import annotations

import statistics

import pytest

from agentcvr_graph.answers import score_answer
from agentcvr_graph.scripts.chance import chance_level
from tests.support.guessing import blind_guesser, longest_option, mean_score
from tests.support.library_guessing import KINDS, RULES, guessed

POINTS = 0.03


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_scores_above_chance(kind, rule):
    """A rule that picks a video picks the decisive one of 30 by chance."""
    given = guessed(kind)
    mean = statistics.fmean(score_answer(kind, rule(one), one.script.key) for one in given)
    assert mean <= chance_level([one.script for one in given]) + 1 / 30 + POINTS


@pytest.mark.parametrize("options", [3, 4])
def test_letters_longest_option_and_a_trained_guesser_score_at_chance(options):
    subset = [one.script for one in guessed("choice") if len(one.script.options) == options]
    learned, held_out = subset[::2], subset[1::2]
    guesses = [*(lambda _, letter=letter: letter for letter in "ABC"), longest_option, blind_guesser(learned)]
    for guess in guesses:
        assert abs(mean_score("LIB", held_out, guess) - 1 / options) <= 2 * POINTS


def test_each_option_is_the_answer_of_equally_many_videos():
    given = [one for one in guessed("choice") if len(one.script.options) == 4]
    even = [len({one.answers.count(letter) for letter in "ABCD"}) == 1 for one in given]
    assert statistics.fmean(even) > 0.99
