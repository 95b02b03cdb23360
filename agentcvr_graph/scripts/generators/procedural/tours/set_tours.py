"""The tours of a set: three tours for which all keys of its questions are right.

Every tour visits the places of the questions. At each place the screen shows one deed and one number (a price or a
locker's), and the guide says who built it. A question decides what is shown at its place; what no question decides is
drawn, near the questions where distractors are close.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, pick
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.generators.procedural.tours.choosing import BUILT, put_in_order
from agentcvr_graph.scripts.generators.procedural.tours.layout import Chapter, Tour, deed_beat
from agentcvr_graph.scripts.generators.procedural.tours.numbers import HIGHEST, LOCKER, PRICE, kept_at, number_sign
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, ITEMS, Term
from agentcvr_graph.scripts.schema import Task
from agentcvr_graph.types import AnswerValue

PRICED = 2
"""Places of a set that show prices; the others have lockers."""


@dataclass(frozen=True)
class Asked:
    """A question before it has words."""

    task: Task
    terms: Mapping[str, Term]
    """What it names, by the fields of its templates."""
    key: AnswerValue


class _Draw:
    """Draws what no question decides."""

    def __init__(self, rng: random.Random, closeness: float, asked: Sequence[Asked]) -> None:
        self.rng, self.closeness, self._asked = rng, closeness, asked
        self.deeds = [one.terms["x"] for one in asked if "x" in one.terms]
        """All deeds that questions ask for: near those of one question are those of the others."""

    def of(self, *tasks: Task) -> list[Asked]:
        """Return the questions of some tasks."""
        return [one for one in self._asked if one.task in tasks]

    def at(self, place: Term, *tasks: Task) -> Asked | None:
        """Return the question of some tasks about a place, if there is one."""
        return next((one for one in self.of(*tasks) if one.terms["p"] is place), None)

    def is_close(self) -> bool:
        return self.rng.random() < self.closeness

    def another_deed(self, deed: Term | None, tour: Tour) -> Term:
        """Return another deed, new in a tour: one that another question asks for where the distractor is close."""
        shown = [line for chapter in tour.chapters for detail in chapter.details for line in detail.text]
        new = [one for one in DEEDS if one is not deed and one.sign not in shown]
        asked = [one for one in new if one in self.deeds]
        return self.rng.choice(asked if asked and self.is_close() else [one for one in new if one not in self.deeds])

    def another_builder(self, builder: Term | None) -> Term:
        """Return another builder."""
        return self.rng.choice([one for one in BUILDERS if one is not builder])


def plan_tours(
    rng: random.Random, difficulty: Difficulty, places: Sequence[Term], asked: Sequence[Asked]
) -> list[Tour]:
    """Return tours for which the keys of all questions are right.

    Args:
        places: what every tour visits: `PRICED` places with prices, then others with lockers.
    """
    draw = _Draw(rng, difficulty.closeness, asked)
    letters = ascii_uppercase[: difficulty.videos]
    tours = [_empty(draw, places, letter) for letter in letters]
    for letter, tour in zip(letters, tours, strict=True):
        for chapter in tour.chapters:
            _put_deed_and_builder(draw, tour, chapter, letter)
    _put_prices(draw, places[:PRICED], tours)
    _put_lockers(draw, places[PRICED:], tours)
    for tour in tours:
        for chapter in tour.chapters:
            rng.shuffle(chapter.details)
    return tours


def _empty(draw: _Draw, places: Sequence[Term], letter: str) -> Tour:
    """Return a tour that visits the places in an order for which the keys of the questions about orders are right."""
    tour = Tour([Chapter(place) for place in pick(draw.rng, places, len(places))])
    for one in draw.of("STOP"):
        p, q = one.terms["p"], one.terms["q"]
        put_in_order(tour, (p, q) if one.key == letter else (q, p))
    return tour


def _put_deed_and_builder(draw: _Draw, tour: Tour, chapter: Chapter, letter: str) -> None:
    """Show the deed and name the builder of the question about this place where they belong there, else others."""
    here = draw.at(chapter.place, "SPOT", "PAIR")
    deed, builder = (here.terms["x"], here.terms.get("b")) if here else (None, None)
    seen = said = here is not None and letter in _letters(here.key)
    if builder and not seen and draw.is_close():
        seen, said = draw.rng.choice(((True, False), (False, True)))
    shown = deed if deed and seen else draw.another_deed(deed, tour)
    named = builder if builder and said else draw.another_builder(builder)
    chapter.details.append(deed_beat(shown))
    chapter.remark = Beat(caption=fill(draw.rng.choice(BUILT), b=draw.rng.choice(named.names)))


def _put_prices(draw: _Draw, places: Sequence[Term], tours: Sequence[Tour]) -> None:
    """Put prices in the order of the key where they are asked for, else in a random one."""
    for place in places:
        asked = draw.at(place, "COST")
        numbers = str(asked.key).split("->") if asked else pick(draw.rng, range(1, len(tours) + 1), len(tours))
        prices = sorted(pick(draw.rng, range(1, HIGHEST + 1), len(tours)))
        for number, price in zip(numbers, prices, strict=True):
            tours[int(number) - 1].at(place).details.append(number_sign(PRICE, price))


def _put_lockers(draw: _Draw, places: Sequence[Term], tours: Sequence[Tour]) -> None:
    """Put a locker at each place. Guides of different tours say where the things are; close ones speak of others."""
    asked = draw.of("LOCK")
    keys = [round(float(str(one.key))) for one in asked]
    numbers = iter(pick(draw.rng, [n for n in range(1, HIGHEST + 1) if n not in keys], len(tours) * len(places)))
    things = [one.terms["i"] for one in asked]
    things += pick(draw.rng, [item for item in ITEMS if item not in things], len(tours) - len(asked))
    for n, (tour, thing) in enumerate(zip(pick(draw.rng, tours, len(tours)), things, strict=True)):
        is_asked, there = n < len(asked), draw.rng.choice(places)
        for place in places:
            number = keys[n] if is_asked and place is there else next(numbers)
            tour.at(place).details.append(number_sign(LOCKER, number))
        if is_asked or draw.is_close():
            tour.greeting = kept_at(draw.rng, thing, there)


def _letters(key: AnswerValue) -> Sequence[str]:
    return key if isinstance(key, list) else [str(key)]
