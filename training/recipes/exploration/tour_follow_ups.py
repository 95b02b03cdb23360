"""Follow-up questions over tours: other places, deeds, builders and things of the evidence that is already there."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from agentcvr_graph.models.offline.master.reading import Reading
from agentcvr_graph.scripts.generators.procedural import GENERATORS
from agentcvr_graph.scripts.generators.procedural.tours import numbers
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator
from agentcvr_graph.scripts.generators.procedural.tours.words import DEEDS, ITEMS, PLACES, Term
from agentcvr_graph.scripts.schema import Task
from training.recipes.exploration.linked_tour_traces import may_enter, trail_from
from training.recipes.exploration.tour_reading import Tour, number_at, order_of, tours_of
from training.recipes.exploration.tour_traces import builder_at, details_at, kept_at
from training.recipes.exploration.traces import NO, YES

MOST = 4
OF_THE_SAME = 0.6
"""Probability that a question about a builder names one whom the same guide names."""


def tour_follow_ups(reading: Reading, tasks: Sequence[Task], rng: random.Random, most: int = MOST) -> list[str]:
    """Return at most `most` other questions of some tasks that the evidence answers, in random order."""
    tours = tours_of(reading)
    found: list[tuple[Task, Terms]] = [(task, terms) for task in tasks for terms in _TERMS[task](tours, rng)]
    rng.shuffle(found)
    return [_generator(task).phrasings.ask(rng, "training", **terms) for task, terms in found[:most]]


def _generator(task: Task) -> TourGenerator:
    return cast(TourGenerator, GENERATORS[task])


Terms = dict[str, Term]


def _stop(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield pairs of places that one tour alone has in this order."""
    pairs = [set(itertools.combinations(order_of(tour), 2)) for tour in tours]
    for pair in sorted(set[Any]().union(*pairs), key=str):
        if sum(pair in own for own in pairs) == 1:
            yield {"p": pair[0], "q": pair[1]}


def _spot(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield deeds at places that one tour alone shows."""
    for place in PLACES:
        shown = [set(details_at(tour, place)) for tour in tours]
        for deed in DEEDS:
            if sum(deed.sign.lower() in own for own in shown) == 1:
                yield {"p": place, "x": deed}


def _pair(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield deeds at places, with a builder whom a guide names."""
    for place in PLACES:
        said = [builder for tour in tours if (builder := builder_at(tour, place))]
        for tour in tours:
            own = builder_at(tour, place)
            for deed in DEEDS:
                if said and deed.sign.lower() in details_at(tour, place):
                    near = own[0] if own and rng.random() < OF_THE_SAME else rng.choice(said)[0]
                    yield {"p": place, "x": deed, "b": near}


def _cost(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield places at which every tour shows a price, all of them different."""
    for place in PLACES:
        prices = [found[0] for tour in tours if (found := number_at(tour, place, numbers.PRICE))]
        if len(set(prices)) == len(tours):
            yield {"p": place}


def _lock(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield things that a guide speaks of."""
    for item in ITEMS:
        if any(kept_at(tour, item) for tour in tours):
            yield {"i": item}


def _rule(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield places that several tours visit and one alone is known to enter."""
    for place in PLACES:
        verdicts = [may_enter(tour, tours, place)[0] for tour in tours]
        visiting = sum(bool(tour.at(place)) for tour in tours)
        if visiting > 1 and sorted(verdicts) == [*[NO] * (len(tours) - 1), YES]:
            yield {"p": place}


def _chain(tours: Sequence[Tour], rng: random.Random) -> Iterator[Terms]:
    """Yield places that one tour alone visits and from which a trail leads to a box elsewhere."""
    for place in PLACES:
        trail = trail_from(tours, place)
        if trail.number is not None and trail.hints and sum(bool(tour.at(place)) for tour in tours) == 1:
            yield {"p": place}


_TERMS: Mapping[str, Callable[[Sequence[Tour], random.Random], Iterator[Terms]]] = {
    "STOP": _stop,
    "SPOT": _spot,
    "PAIR": _pair,
    "COST": _cost,
    "LOCK": _lock,
    "RULE": _rule,
    "CHAIN": _chain,
}
