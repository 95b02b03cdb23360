"""Guessers that read a question and its options but no video, to measure whether the text leaks the key."""

from __future__ import annotations

import functools
import json
import math
import re
import statistics
from collections import Counter

from agentcvr_graph.answers import score_answer
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.schema import KIND_OF, TOUR_TASKS

COUNT = 2000
"""Questions that a guesser answers; it learns from as many others."""


@functools.cache
def scripts(task):
    """Make twice `COUNT` scripts: the first half for a guesser to learn from, the second half to guess.

    They have no scenes, which a guesser does not see: with them, the scripts of all tasks take gigabytes.
    """
    level = LEVELS["easy" if task in TOUR_TASKS else "normal"]  # tours are long, and no guesser sees their scenes
    return [without_scenes(script) for script in make_scripts({task: 2 * COUNT}, 0, level)]


def without_scenes(script):
    videos = tuple(video.model_copy(update={"scenes": ()}) for video in script.videos)
    return script.model_copy(update={"videos": videos})


def halves(task):
    return scripts(task)[:COUNT], scripts(task)[COUNT:]


def mean_score(task, subset, guess):
    return statistics.fmean(score_answer(script.kind, guess(script), script.key) for script in subset)


def best_constant(task, learned):
    """Return the constant answer that scores best on the questions to learn from."""
    most_common = [key for key, _ in Counter(json.dumps(script.key) for script in learned).most_common(3)]
    candidates = [json.loads(key) for key in most_common]
    if KIND_OF[task] == "interval":
        candidates += [(start, start + length) for start in range(0, 60, 6) for length in (6, 12, 24)]
    return max(candidates, key=lambda value: mean_score(task, learned, lambda _: value))


def longest_option(script):
    """Return the letter of the longest option, the first one on a tie."""
    lengths = [len(option) for option in script.options]
    return "ABCDEF"[lengths.index(max(lengths))]


def cues(script, n):
    """Return the features of option n: its words, its position, and their pairs with the question's words."""
    question = set(re.findall(r"\w+", script.question.lower()))
    option = re.findall(r"\w+", script.options[n].lower())
    return {
        f"at {n}",
        *option,
        *(f"{word} at {n}" for word in question),
        *(f"{w}|{o}" for w in question for o in option),
    }


def blind_guesser(learned):
    """Train naive Bayes: each feature's weight is the log ratio of its counts in right and in wrong options."""
    right, wrong = Counter(), Counter()
    for script in learned:
        keys = script.key if isinstance(script.key, list) else [script.key]
        for n, _ in enumerate(script.options):
            (right if "ABCDEF"[n] in keys else wrong).update(cues(script, n))

    def weight(script, n):
        return sum(math.log((right[cue] + 1) / (wrong[cue] + 1)) for cue in cues(script, n))

    def guess(script):
        weights = [weight(script, n) for n in range(len(script.options))]
        if script.kind == "choices":
            chosen = [letter for letter, value in zip("ABCDEF", weights, strict=False) if value > 0]
            return chosen or ["ABCDEF"[weights.index(max(weights))]]
        return "ABCDEF"[weights.index(max(weights))]

    return guess
