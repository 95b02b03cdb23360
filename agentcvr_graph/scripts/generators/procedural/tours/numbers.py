"""Tasks over tours whose answers come from numbers on signs.

- COST, the tours sorted by the price of a ticket at a place: one window a video.
- LOCK, the number of the locker that holds a thing: a guide says at which place of the tour the thing is, so hearing
  comes before looking (two windows of one video).

Every place has a price or a locker, so the number alone says nothing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, matches, pick
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.generators.procedural.tours import wordings
from agentcvr_graph.scripts.generators.procedural.tours.layout import Tour, fill_in, plan
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator, number_at
from agentcvr_graph.scripts.generators.procedural.tours.words import ITEMS, PLACES, Term
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import AnswerValue

HIGHEST = 60
"""Lockers and prices have numbers from 1 to this."""
KEPT = ("by the way, {i} is in {p}.", "remember that {i} lies in {p}.", "you will find {i} in {p}.")
LOCKER, PRICE = "LOCKER {n}", "TICKET {n}"


class CostGenerator(TourGenerator):
    """COST: the tours sorted by the price of a ticket at a place."""

    def __init__(self) -> None:
        super().__init__("COST", "order", wordings.COST)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw a place."""
        return {"p": rng.choice(PLACES)}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw an order of the videos."""
        return "->".join(str(n) for n in rng.sample(range(1, videos + 1), videos))

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours with a price at every place; those at the place that is asked for are in the order of the key."""
        order = [int(number) for number in str(key).split("->")]
        prices = sorted(pick(rng, range(1, HIGHEST + 1), len(order)))
        found: list[Tour] = []
        for number in range(1, len(order) + 1):
            tour = plan(rng, difficulty, (terms["p"],))
            for chapter in tour.chapters:
                here = chapter.place is terms["p"]
                price = prices[order.index(number)] if here else rng.randint(1, HIGHEST)
                chapter.details.append(number_sign(PRICE, price, proof=here))
            fill_in(rng, tour, ())
            found.append(tour)
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Sort the tours by the price that each shows at the place."""
        prices = [number_at(video, terms["p"], PRICE) for video in videos]
        return "->".join(str(n + 1) for n in sorted(range(len(prices)), key=lambda n: prices[n]))


class LockGenerator(TourGenerator):
    """LOCK: the number of the locker at the place where a guide says that a thing is."""

    def __init__(self) -> None:
        super().__init__("LOCK", "number", wordings.LOCK)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw a thing."""
        return {"i": rng.choice(ITEMS)}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw a number."""
        return float(rng.randint(1, HIGHEST))

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours with a locker at every place; one guide says where the thing is, close ones speak of others."""
        number = round(float(str(key)))
        found = [plan(rng, difficulty, ()) for _ in range(difficulty.videos)]
        speaker = rng.choice(found)
        others = pick(rng, [item for item in ITEMS if item is not terms["i"]], len(found))
        for tour, other in zip(found, others, strict=True):
            right = tour is speaker
            _put_lockers(rng, tour, number, rng.choice(tour.chapters).place if right else None)
            if right:
                place = next(chapter.place for chapter in tour.chapters if chapter.details[0].proof)
                tour.greeting = replace(kept_at(rng, terms["i"], place), proof=("audio",))
            elif rng.random() < difficulty.closeness:
                tour.greeting = kept_at(rng, other, rng.choice(tour.chapters).place)
            fill_in(rng, tour, ())
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the number on the locker at the place that a guide names together with the thing.

        Raises:
            ValueError: no guide speaks of the thing.
        """
        for video in videos:
            place = said_place(video.scenes[0].caption, terms["i"])
            if place is not None:
                return float(number_at(video, place, LOCKER))
        raise ValueError("no guide speaks of the thing")


def _put_lockers(rng: random.Random, tour: Tour, number: int, place: Term | None) -> None:
    """Put a locker at every place of a tour: the one that is asked for at `place`, others elsewhere."""
    others = pick(rng, [n for n in range(1, HIGHEST + 1) if n != number], len(tour.chapters))
    for chapter, other in zip(tour.chapters, others, strict=True):
        here = chapter.place is place
        chapter.details.append(number_sign(LOCKER, number if here else other, proof=here))


def number_sign(template: str, number: int, *, proof: bool = False) -> Beat:
    """Return the scene of a sign with a number; `template` has the field n."""
    return Beat(text=(template.format(n=number),), proof=("visual",) if proof else ())


def kept_at(rng: random.Random, item: Term, place: Term) -> Beat:
    """Return what a guide says of the place of a thing."""
    return Beat(caption=fill(rng.choice(KEPT), i=rng.choice(item.names), p=rng.choice(place.names)))


def said_place(greeting: str, item: Term) -> Term | None:
    """Return the place at which a guide says that a thing is; None where the guide does not say it."""
    for sentence in greeting.split(". "):
        for template in KEPT:
            words = matches(template, sentence.rstrip(".") + ".")
            if words and words["i"].lower() in item.names:
                return next(term for term in PLACES if words["p"] in term.names)
    return None
