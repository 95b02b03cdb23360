"""Tasks over tours whose answers are tours.

- STOP, which tour comes to one place before another: the guide's first sentences decide it.
- SPOT, in which tour a person does a certain thing at a place: one window decides it.
- PAIR, the tours in which a person does a certain thing at a place that certain people built: two windows a video.

What is asked for happens elsewhere too: a close distractor has the deed at another place, another builder, or the
places in the other order.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.generators.procedural.tours import wordings
from agentcvr_graph.scripts.generators.procedural.tours.layout import Tour, deed_beat, fill_in, plan
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import (
    TourGenerator,
    a_letter,
    chapter_scenes,
    signs_at,
)
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, PLACES, Term
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import AnswerValue

BUILT = ("this was built by {b}.", "once {b} built this.", "we owe this to {b}.")


class StopGenerator(TourGenerator):
    """STOP: which tour comes to one place before another?"""

    def __init__(self) -> None:
        super().__init__("STOP", "choice", wordings.STOP)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw two places."""
        first, second = pick(rng, PLACES, 2)
        return {"p": first, "q": second}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw a video."""
        return a_letter(rng, videos)

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan one tour with the places in this order; the others have them in the other order, or miss one."""
        p, q = terms["p"], terms["q"]
        found: list[Tour] = []
        for letter in ascii_uppercase[: difficulty.videos]:
            close = letter == key or rng.random() < difficulty.closeness
            tour = plan(rng, difficulty, (p, q) if close else (rng.choice((p, q)),), excluded=(p, q))
            if close:
                put_in_order(tour, (p, q) if letter == key else (q, p))
            tour.greeting = Beat(proof=("audio",) if letter == key else ())
            fill_in(rng, tour, ())
            found.append(tour)
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the tour whose banners show one place before the other."""
        tours = zip(ascii_uppercase, videos, strict=False)
        return next(letter for letter, video in tours if 0 <= _arrival(video, terms["p"]) < _arrival(video, terms["q"]))


class SpotGenerator(TourGenerator):
    """SPOT: in which tour is a deed done at a place?"""

    def __init__(self) -> None:
        super().__init__("SPOT", "choice", wordings.SPOT)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw a place and a deed."""
        return {"p": rng.choice(PLACES), "x": rng.choice(DEEDS)}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw a video."""
        return a_letter(rng, videos)

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours of which one has the deed at the place; close ones have it elsewhere."""
        place, deed = terms["p"], terms["x"]
        found: list[Tour] = []
        for letter in ascii_uppercase[: difficulty.videos]:
            tour = plan(rng, difficulty, (place,))
            _put_deed(rng, tour, place, deed, right=letter == key, closeness=difficulty.closeness)
            fill_in(rng, tour, (deed,))
            found.append(tour)
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the tour that shows the deed at the place."""
        place, deed = terms["p"], terms["x"]
        tours = zip(ascii_uppercase, videos, strict=False)
        return next(letter for letter, video in tours if deed.sign in signs_at(video, place))


class PairGenerator(TourGenerator):
    """PAIR: in which tours is a deed done at a place that certain people built?"""

    def __init__(self) -> None:
        super().__init__("PAIR", "choices", wordings.PAIR)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw a place, a deed and a builder."""
        return {"p": rng.choice(PLACES), "x": rng.choice(DEEDS), "b": rng.choice(BUILDERS)}

    def draw_key(self, rng: random.Random, videos: int) -> list[str]:
        """Draw any set of videos but the empty one."""
        subset = rng.randrange(1, 2**videos)
        return [ascii_uppercase[n] for n in range(videos) if subset >> n & 1]

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours of which those of the key meet both conditions; close ones meet one."""
        place, deed, builder = terms["p"], terms["x"], terms["b"]
        right = key if isinstance(key, list) else []
        found: list[Tour] = []
        for letter in ascii_uppercase[: difficulty.videos]:
            seen = said = letter in right
            if not seen:
                close = rng.random() < difficulty.closeness
                seen, said = rng.choice(((True, False), (False, True))) if close else (False, False)
            tour = plan(rng, difficulty, (place,))
            _put_deed(rng, tour, place, deed, right=seen, closeness=difficulty.closeness)
            others = pick(rng, [other for other in BUILDERS if other is not builder], len(tour.chapters))
            for chapter, other in zip(tour.chapters, others, strict=True):
                here = chapter.place is place
                name = rng.choice((builder if here and said else other).names)
                chapter.remark = Beat(caption=fill(rng.choice(BUILT), b=name), proof=("audio",) if here else ())
            fill_in(rng, tour, (deed,))
            found.append(tour)
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the tours that show the deed at the place and name the builder there."""
        place, deed, builder = terms["p"], terms["x"], terms["b"]
        return [
            letter
            for letter, video in zip(ascii_uppercase, videos, strict=False)
            if deed.sign in signs_at(video, place) and _builder(video, place) in builder.names
        ]


def put_in_order(tour: Tour, places: Sequence[Term]) -> None:
    """Exchange the chapters of two places if they are in the other order."""
    at = sorted(tour.chapters.index(tour.at(place)) for place in places)
    chapters = [tour.at(place) for place in places]
    for n, chapter in zip(at, chapters, strict=True):
        tour.chapters[n] = chapter


def _put_deed(rng: random.Random, tour: Tour, place: Term, deed: Term, *, right: bool, closeness: float) -> None:
    """Put a deed at a place if that is right; if not, put another one there, and in close distractors it elsewhere."""
    proof = replace(deed_beat(deed), proof=("visual",))
    if right:
        tour.at(place).details.append(proof)
        return
    other = rng.choice([one for one in DEEDS if one is not deed])
    tour.at(place).details.append(replace(deed_beat(other), proof=("visual",)))
    if rng.random() < closeness:
        elsewhere = [chapter for chapter in tour.chapters if chapter.place is not place]
        rng.choice(elsewhere).details.append(deed_beat(deed))


def _arrival(video: ScriptedVideo, place: Term) -> float:
    """Return when a tour comes to a place, in seconds; -1 if it never does."""
    return min((scene.start_s for scene in chapter_scenes(video, place)), default=-1.0)


def _builder(video: ScriptedVideo, place: Term) -> str:
    """Return who built a place, by what is said there; empty where nobody says it."""
    said = (read(BUILT, scene.caption) for scene in chapter_scenes(video, place))
    return next((words["b"].lower() for words in said if words), "")
