"""Whether a master looks where its evidence says, or always in the same way.

Two measures, both within one task and budget, because a rule that only reads the budget adapts to no evidence:

- **Modal share**: how many episodes follow the most common plan. A plan is, for each turn, which videos are looked at
  and listened to, where (tenths of the video) and with how many frames (powers of two). Looks at the same parts of
  every video give 1. A rule that spends the budget, or listens for a fixed time, gives less on videos of different
  lengths, so a small share alone does not show that evidence is followed.
- **Information** in bits between where the decisive scene of a video lies and where the last look at that video goes
  after the first turn, both in fifths of the video. A policy that does not follow its evidence has what chance gives:
  the same figure with the places exchanged between episodes (a permutation), whose mean and 95 % quantile are given.
"""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentcvr_graph.scripts.schema import Script
from agentcvr_training.measures.looks import Look

TENTHS, FIFTHS = 10, 5
PERMUTATIONS = 500


@dataclass(frozen=True)
class EpisodeLooks:
    """Where one episode looked."""

    script: Script
    group: Hashable
    """Task and budget; episodes are compared within it."""
    looks: Sequence[Look]


def modal_share(episodes: Iterable[EpisodeLooks]) -> float:
    """Return the share of episodes that follow the most common plan of their group; 0 without episodes."""
    plans: defaultdict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for one in episodes:
        plans[one.group][plan_of(one)] += 1
    total = sum(counts.total() for counts in plans.values())
    return sum(max(counts.values()) for counts in plans.values()) / total if total else 0.0


def plan_of(episode: EpisodeLooks) -> tuple[tuple[object, ...], ...]:
    """Return the plan of an episode, without its seconds."""
    return tuple(
        (
            look.turn,
            look.modality,
            look.video,
            _part(episode.script, look.video, look.start_s, TENTHS),
            _part(episode.script, look.video, look.end_s, TENTHS),
            round(math.log2(look.frames)) if look.frames else 0,
        )
        for look in episode.looks
    )


@dataclass(frozen=True)
class Information:
    """Bits that the places of the last looks share with the places of the decisive scenes."""

    bits: float
    by_chance: float
    """Mean over permutations."""
    chance_95: float
    """95 % quantile over permutations."""
    pairs: int
    """Pairs of a look and a scene."""


def information(episodes: Iterable[EpisodeLooks], seed: int = 0) -> Information:
    """Return how much the last looks say about where the decisive scenes lie."""
    pairs: defaultdict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for one in episodes:
        pairs[one.group] += _pairs(one)
    rng = random.Random(seed)
    permuted = sorted(_bits(_shuffled(pairs, rng)) for _ in range(PERMUTATIONS))
    return Information(
        _bits(pairs), statistics.fmean(permuted), permuted[int(0.95 * PERMUTATIONS)], sum(map(len, pairs.values()))
    )


def _pairs(episode: EpisodeLooks) -> list[tuple[int, int]]:
    """Return, for each video with a decisive scene and a look after the first turn, the places of both."""
    scenes = {proof.video: proof for proof in episode.script.evidence if proof.modality == "visual"}
    last = {look.video: look for look in episode.looks if look.modality == "visual" and look.turn > 1}
    return [
        (
            _part(episode.script, video, (scenes[video].start_s + scenes[video].end_s) / 2, FIFTHS),
            _part(episode.script, video, (last[video].start_s + last[video].end_s) / 2, FIFTHS),
        )
        for video in sorted(scenes.keys() & last.keys())
    ]


def _part(script: Script, video: int, time_s: float, parts: int) -> int:
    """Return the part of a video in which a time lies, from 0."""
    return min(parts - 1, max(0, int(parts * time_s / script.videos[video - 1].duration_s)))


def _bits(pairs: Mapping[Hashable, Sequence[tuple[int, int]]]) -> float:
    """Return the mutual information, averaged over groups by their number of pairs; 0 without pairs."""
    total = sum(map(len, pairs.values()))
    return sum(len(own) * mutual_information(own) for own in pairs.values()) / total if total else 0.0


def _shuffled(
    pairs: Mapping[Hashable, Sequence[tuple[int, int]]], rng: random.Random
) -> dict[Hashable, list[tuple[int, int]]]:
    """Exchange the places of the looks within each group."""
    return {
        group: list(zip((scene for scene, _ in own), rng.sample([look for _, look in own], len(own)), strict=True))
        for group, own in pairs.items()
    }


def mutual_information(pairs: Sequence[tuple[int, int]]) -> float:
    """Return the mutual information of two discrete variables in bits (Cover and Thomas, equation 2.28).

    >>> mutual_information([(0, 0), (1, 1)])
    1.0
    """
    both, first, second = Counter(pairs), Counter(x for x, _ in pairs), Counter(y for _, y in pairs)
    n = len(pairs)
    return sum(count / n * math.log2(count * n / (first[x] * second[y])) for (x, y), count in both.items())
