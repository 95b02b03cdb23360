"""CHAIN, the number at the end of a trail: what is found in one tour says where to look in another.

The question names a place that one tour alone visits. There a sign, or the guide, names a place of another tour, and so
on, until a place has a box with a number. So each look decides the next: two windows of two tours, to four of four.

Every place has a box or a hint, so a number alone says nothing. A close distractor is a hint that is not on the trail,
or a box at the same place of another tour.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.generators.procedural.tours import wordings
from agentcvr_graph.scripts.generators.procedural.tours.layout import Chapter, Tour, fill_in, plan
from agentcvr_graph.scripts.generators.procedural.tours.numbers import HIGHEST
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import (
    TourGenerator,
    chapter_scenes,
    number_at,
    signs_at,
)
from agentcvr_graph.scripts.generators.procedural.tours.words import ORDINALS, PLACES, Term
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import AnswerValue

BOX, NEXT = "BOX {n}", "NEXT {p} TOUR {n}"
HINTS = (
    "the next hint waits on the {n} tour, in {p}.",
    "whoever looks for the box should take the {n} tour to {p}.",
    "it goes on in {p}, which the {n} tour visits.",
    "those who want more need the {n} tour and {p}.",
)
MOST_HINTS = 3
ASTRAY_SHARE = 0.5
"""Share of the other places with a hint instead of a box, where everything is close."""
Stop = tuple[int, Term]
"""A tour, counted from 0, and one of its places."""


class ChainGenerator(TourGenerator):
    """CHAIN: which number stands at the end of the trail that starts at a place?"""

    def __init__(self) -> None:
        super().__init__("CHAIN", "number", wordings.CHAIN)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw the place at which the trail starts."""
        return {"p": rng.choice(PLACES)}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw a number."""
        return float(rng.randint(1, HIGHEST))

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours with a hint or a box at every place; the trail from the place ends at the number of the key."""
        trail = _a_trail(rng, difficulty.videos, terms["p"])
        found = [_tour(rng, difficulty, n, trail) for n in range(difficulty.videos)]
        for (n, place), following in zip(trail, [*trail[1:], None], strict=True):
            chapter = found[n].at(place)
            if following:
                _give_hint(rng, chapter, following, proves=True)
            else:
                chapter.details.append(Beat(text=(BOX.format(n=round(float(str(key)))),), proof=("visual",)))
        _lead_astray(rng, found, trail, round(float(str(key))), difficulty.closeness)
        for tour in found:
            fill_in(rng, tour, ())
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Follow the hints from the place to a box."""
        n = next(n for n, video in enumerate(videos) if chapter_scenes(video, terms["p"]))
        place = terms["p"]
        while hint := _hint_at(videos[n], place):
            n, place = hint
        return float(number_at(videos[n], place, BOX))


def _a_trail(rng: random.Random, videos: int, start: Term) -> list[Stop]:
    """Return two to four stops, each at another place of another tour."""
    hints = rng.randint(1, max(1, min(MOST_HINTS, videos - 2)))
    places = [start, *pick(rng, [place for place in PLACES if place is not start], hints)]
    return list(zip(pick(rng, range(videos), hints + 1), places, strict=True))


def _tour(rng: random.Random, difficulty: Difficulty, n: int, trail: Sequence[Stop]) -> Tour:
    """Return a tour with its stop of the trail; a close one also visits the place at which the trail ends."""
    start, end = trail[0][1], trail[-1][1]
    always = {place for number, place in trail if number == n}
    if rng.random() < difficulty.closeness:
        always.add(end)
    return plan(rng, difficulty, [place for place in PLACES if place in always], excluded=(start,))


def _give_hint(rng: random.Random, chapter: Chapter, to: Stop, *, proves: bool) -> None:
    """Let a sign or the guide name the next stop."""
    n, place = to
    if rng.random() < 0.5:
        sign = NEXT.format(p=place.sign, n=n + 1)
        chapter.details.append(Beat(text=(sign,), proof=("visual",) if proves else ()))
    else:
        said = fill(rng.choice(HINTS), n=ORDINALS[n], p=rng.choice(place.names))
        chapter.remark = Beat(caption=said, proof=("audio",) if proves else ())


def _lead_astray(rng: random.Random, tours: Sequence[Tour], trail: Sequence[Stop], key: int, closeness: float) -> None:
    """Give every place that is not on the trail a box with another number, or a hint."""
    numbers = [number for number in range(1, HIGHEST + 1) if number != key]
    for n, tour in enumerate(tours):
        for chapter in tour.chapters:
            if (n, chapter.place) in trail:
                continue
            if rng.random() < closeness * ASTRAY_SHARE:
                other = rng.choice([number for number in range(len(tours)) if number != n])
                to = rng.choice(tours[other].chapters).place
                _give_hint(rng, chapter, (other, to), proves=False)
            else:
                chapter.details.append(Beat(text=(BOX.format(n=rng.choice(numbers)),)))


def _hint_at(video: ScriptedVideo, place: Term) -> Stop | None:
    """Return the stop that a sign or the guide names at a place; None where there is no hint."""
    lines = (read([NEXT], line) for line in signs_at(video, place))
    if words := next(filter(None, lines), None):
        return int(words["n"]) - 1, next(term for term in PLACES if term.sign == words["p"])
    said = (read(HINTS, scene.caption) for scene in chapter_scenes(video, place))
    if words := next(filter(None, said), None):
        return ORDINALS.index(words["n"]), next(term for term in PLACES if words["p"] in term.names)
    return None
