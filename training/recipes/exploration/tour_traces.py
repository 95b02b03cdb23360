"""Reasoning traces for questions over tours; those of RULE and CHAIN are in `linked_tour_traces.py`.

The notes translate the question into the words of the videos, then go through the videos: what is known of the place
that is asked for, or where its chapter lies if nothing is known of it yet, such as `[video 2, mill ?; 97.0-148.2`. So
the seconds of a closer look can be copied from the notes. Whether and where to look closer is not decided here.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.scripts.generators.procedural.tours import numbers
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, ITEMS, PLACES, Term
from agentcvr_graph.scripts.schema import Task
from training.recipes.exploration.linked_tour_traces import chain_trace, rule_trace
from training.recipes.exploration.tour_reading import Terms, Tour, named_in, number_at, order_of, tours_of
from training.recipes.exploration.traces import NO, UNKNOWN, YES, ReasoningTrace, one_video


def tour_trace(reading: Reading, task: Task, terms: Terms, rng: random.Random) -> ReasoningTrace:
    """Return the best answer that the evidence allows; the rest is guessed with `rng`."""
    return _TRACES[task](reading, terms, rng)


# STOP: which tour comes to one place before another?


def _stop(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    first, second = terms["p"], terms["q"]
    notes, verdicts = [f"wanted: {first.sign.lower()}, {second.sign.lower()}"], list[str]()
    support: list[Statement] = []
    for tour in tours_of(reading):
        order = order_of(tour)
        found = [place for place in order if place in (first, second)]
        verdicts.append(UNKNOWN if not order else YES if found == [first, second] else NO)
        listed = ", ".join(place.sign.lower() for place in found) or (NO if order else UNKNOWN)
        notes.append(f"[video {tour.clip.number}, {listed}: {verdicts[-1]}")
        if verdicts[-1] == YES:
            support += [statement for _, statement in tour.heard[:1]] or [scene.statement for scene in tour.seen[:2]]
    return one_video(notes, verdicts, support, rng)


# SPOT: in which tour is a deed done at a place?


def _spot(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    place, deed = terms["p"], terms["x"]
    notes, verdicts = [f"wanted: {place.sign.lower()}, {deed.sign.lower()}"], list[str]()
    support: list[Statement] = []
    for tour in tours_of(reading):
        found = details_at(tour, place)
        verdicts.append(UNKNOWN if not found else YES if deed.sign.lower() in found else NO)
        notes.append(tour.note(place, list(found), verdicts[-1]))
        if verdicts[-1] == YES:
            support.append(found[deed.sign.lower()])
    return one_video(notes, verdicts, support, rng)


def details_at(tour: Tour, place: Term) -> dict[str, Statement]:
    """Return the deeds that were seen at a place, each with its statement."""
    deeds = {deed.sign.lower() for deed in DEEDS}
    return {line: scene.statement for scene in tour.at(place) for line in scene.details if line in deeds}


# PAIR: in which tours is a deed done at a place that certain people built?


def builder_at(tour: Tour, place: Term) -> tuple[Term, Statement] | None:
    """Return who built a place, by what is said there, with the statement."""
    for text, statement in tour.said_at(place):
        if builders := named_in(BUILDERS, text):
            return builders[0], statement
    return None


def _pair(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    place, deed, builder = terms["p"], terms["x"], terms["b"]
    notes = [f"wanted: {place.sign.lower()}, {deed.sign.lower()}, {builder.sign.lower()}"]
    verdicts: list[str] = []
    support: list[Statement] = []
    for tour in tours_of(reading):
        shown, said = details_at(tour, place), builder_at(tour, place)
        sees = UNKNOWN if not shown else YES if deed.sign.lower() in shown else NO
        hears = UNKNOWN if said is None else YES if said[0] is builder else NO
        # One condition holds and nothing fails: an unknown condition then holds more often than not.
        verdicts.append(NO if NO in (sees, hears) else YES if YES in (sees, hears) else UNKNOWN)
        named = said[0].sign.lower() if said else UNKNOWN
        found = [*(shown or [UNKNOWN]), named] if shown or said else []
        notes.append(tour.note(place, found, verdicts[-1]))
        if verdicts[-1] == YES:
            support += [shown[deed.sign.lower()]] if sees == YES else []
            support += [said[1]] if said else []
    chosen = [n for n, verdict in enumerate(verdicts) if verdict == YES]
    chosen += [n for n, verdict in enumerate(verdicts) if verdict == UNKNOWN and rng.random() < 0.5]
    chosen = chosen or [rng.randrange(len(verdicts))]
    return ReasoningTrace("\n".join(notes), [ascii_uppercase[n] for n in sorted(chosen)], support)


# COST: the tours sorted by the price of a ticket at a place.


def _cost(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    place = terms["p"]
    notes, prices = [f"wanted: {place.sign.lower()}, ticket"], dict[int, int]()
    support: list[Statement] = []
    for tour in tours_of(reading):
        found = number_at(tour, place, numbers.PRICE)
        notes.append(tour.note(place, [f"ticket {found[0]}"] if found else []))
        if found:
            prices[tour.clip.number] = found[0]
            support.append(found[1])
    ranked = sorted(prices, key=lambda number: prices[number])
    for clip in reading.videos:
        if clip.number not in prices:
            ranked.insert(rng.randint(0, len(ranked)), clip.number)
    return ReasoningTrace("\n".join(notes), "->".join(map(str, ranked)), support, f"sorted: {_sorted(ranked, prices)}.")


def _sorted(ranked: Sequence[int], prices: Mapping[int, int]) -> str:
    """Return how the order follows: each pair of known prices, then all.

    A small model learns to compare two numbers from far fewer examples than to sort three.

    >>> _sorted([2, 1], {1: 12, 2: 4})
    '12 before 4 no, so 4 is 2, 12 is 1'
    """
    pairs = [
        f"{prices[one]} before {prices[other]} {YES if ranked.index(one) < ranked.index(other) else NO}, "
        for one, other in itertools.combinations(sorted(prices), 2)
    ]
    order = ", ".join(f"{prices.get(number, UNKNOWN)} is {number}" for number in ranked)
    return f"{''.join(pairs)}{'so ' if pairs else ''}{order}"


# LOCK: the number of the locker at the place where a guide says that a thing is.


def kept_at(tour: Tour, item: Term) -> tuple[Term, Statement] | None:
    """Return the place at which a guide says that a thing is, with the statement."""
    for text, statement in tour.heard:
        for sentence in text.split(". "):
            places = named_in(PLACES, sentence)
            if len(places) == 1 and item in named_in(ITEMS, sentence):
                return places[0], statement
    return None


def _lock(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    item = terms["i"]
    wanted = f"wanted: {item.sign.lower()}"
    tours = tours_of(reading)
    for tour in tours:
        said = kept_at(tour, item)
        if said is not None:
            place, statement = said
            found = number_at(tour, place, numbers.LOCKER)
            note = tour.note(place, [f"locker {found[0]}"]) if found else tour.where(place)
            value = found[0] if found else rng.randint(1, numbers.HIGHEST)
            support = [statement, *([found[1]] if found else [])]
            return ReasoningTrace(f"{wanted}\n{note}", float(value), support)
    return ReasoningTrace(f"{wanted}\n{UNKNOWN}", float(rng.randint(1, numbers.HIGHEST)))


_TRACES: Mapping[str, Callable[[Reading, Terms, random.Random], ReasoningTrace]] = {
    "STOP": _stop,
    "SPOT": _spot,
    "PAIR": _pair,
    "COST": _cost,
    "LOCK": _lock,
    "RULE": rule_trace,
    "CHAIN": chain_trace,
}
