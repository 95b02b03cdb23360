"""Scores of guessers on procedural scripts: 2,000 questions per task, after learning from 2,000 others.

Questions over libraries (LIB) are guessed by rules that read every video, but not which of them the question describes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from agentcvr_graph.answers import score_answer
from agentcvr_graph.scripts.chance import chance_level
from agentcvr_graph.scripts.generators.procedural import make_scripts, solve
from agentcvr_graph.scripts.schema import KIND_OF, TASKS
from tests.benchmarks.rows import Row
from tests.support.guessing import COUNT, best_constant, blind_guesser, halves, longest_option, mean_score
from tests.support.library_guessing import KINDS, RULES, guessed

POINTS = 3.0


def rows() -> Iterator[Row]:
    """Yield a row per task: the guessers compared with chance, and the oracle, which reads the whole script."""
    yield from map(_row, TASKS)
    yield from map(_library_row, KINDS)


def _library_row(kind: str) -> Row:
    given = guessed(kind)
    expected = chance_level([one.script for one in given])
    scores = {
        rule.__name__.removeprefix("by_"): statistics.fmean(
            score_answer(kind, rule(one), one.script.key) for one in given
        )
        for rule in RULES
    }
    figures = ", ".join(f"{name} {100 * score:.1f}" for name, score in scores.items())
    return Row(
        f"LIB, {kind}: rules that read all 30 videos, {len(given)} questions",
        f"chance {100 * expected:.1f}, {figures}",
        f"at most {POINTS:g} + 100/30 points above",
        max(scores.values()) <= expected + POINTS / 100 + 1 / 30,
    )


def _row(task: str) -> Row:
    learned, held_out = halves(task)
    constant = best_constant(task, learned)
    guesses = {"one answer": mean_score(task, held_out, lambda _: constant)}
    if KIND_OF[task] == "choice":
        guesses["longest"] = mean_score(task, held_out, longest_option)
    if KIND_OF[task] in ("choice", "choices"):
        guesses["learned"] = mean_score(task, held_out, blind_guesser(learned))
    expected = chance_level(learned)
    figures = ", ".join(f"{name} {100 * score:.1f}" for name, score in guesses.items())
    oracle = 100 * mean_score(task, list(make_scripts({task: COUNT}, COUNT)), solve)
    off = max(abs(score - expected) for score in guesses.values())
    return Row(
        f"{task}: guessing without a video, {COUNT:,} questions",
        f"chance {100 * expected:.1f}, {figures}; oracle {oracle:.0f}",
        f"within {POINTS:g} points; oracle 100",
        100 * off <= POINTS and oracle == 100,
    )
