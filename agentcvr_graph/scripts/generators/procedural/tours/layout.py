"""How a tour becomes a timeline: a greeting, then one chapter for each place.

Details are short and far apart, but their place is easy to find. A banner names the place during its whole chapter, so
a few frames of a whole video show where each chapter lies. The guide lists the places at the start and names each one
when the group arrives. So a cheap overview says where a close look pays, and looking everywhere closely costs many
times as much.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, pick
from agentcvr_graph.scripts.generators.procedural.scenes import Beat, VideoDraft
from agentcvr_graph.scripts.generators.procedural.tours.words import CHATTER, DEEDS, PLACES, SIGNPOSTS, Term
from agentcvr_graph.scripts.schema import ScriptedVideo

LEAST_CHAPTERS, MOST_CHAPTERS = 3, 5
QUIET = 10
"""Scenes of ordinary length that the quiet part of a chapter is as long as."""
CHATTER_SHARE = 0.3
DETAIL = 1.6
"""Decisive scenes of ordinary length that a detail is as long as: signs take time to read."""
GREETING_S = 10.0
WELCOME = "WELCOME"
SILENT = Beat()


@dataclass
class Chapter:
    """One place of a tour."""

    place: Term
    details: list[Beat] = field(default_factory=list[Beat])
    """Short scenes; `text` is what they show besides the banner."""
    remark: Beat = SILENT
    """What the guide says near the end; its `caption` and its `proof` are used."""


@dataclass
class Tour:
    """What one video shows, before it has times."""

    chapters: list[Chapter]
    greeting: Beat = SILENT
    """What the guide says after the list of places; its `caption` and its `proof` are used."""

    def at(self, place: Term) -> Chapter:
        """Return the chapter of a place."""
        return next(chapter for chapter in self.chapters if chapter.place is place)


def chapters_of(difficulty: Difficulty) -> int:
    """Return the number of places of a tour."""
    return min(MOST_CHAPTERS, max(LEAST_CHAPTERS, difficulty.scenes // 2))


def plan(rng: random.Random, difficulty: Difficulty, always: Sequence[Term], excluded: Sequence[Term] = ()) -> Tour:
    """Return a tour without details, which visits the places of `always` and others that are not `excluded`."""
    free = [place for place in PLACES if place not in always and place not in excluded]
    others = pick(rng, free, chapters_of(difficulty) - len(always))
    places = [*always, *others]
    rng.shuffle(places)
    return Tour([Chapter(place) for place in places])


def deed_beat(deed: Term) -> Beat:
    """Return the scene of a deed, which the screen names."""
    return Beat(text=(deed.sign,))


def fill_in(rng: random.Random, tour: Tour, excluded: Sequence[Term]) -> None:
    """Give about every other chapter one more detail, which is none of the excluded deeds."""
    free = [deed for deed in DEEDS if deed not in excluded]
    for chapter, deed in zip(tour.chapters, pick(rng, free, len(tour.chapters)), strict=True):
        if not chapter.details or rng.random() < 0.5:
            chapter.details.append(deed_beat(deed))
        rng.shuffle(chapter.details)


def record(draft: VideoDraft, tour: Tour, title: str = "") -> ScriptedVideo:
    """Return the timeline of a tour; `draft` gathers the windows of what proves the answer."""
    said = f"{contents(tour)} {tour.greeting.caption}".strip()
    draft.add(Beat("", (WELCOME,), said, proof=tour.greeting.proof, mean_s=GREETING_S))
    for chapter in tour.chapters:
        _record_chapter(draft, chapter)
    return draft.video(title)


def contents(tour: Tour) -> str:
    """Return how the guide lists the places.

    >>> contents(Tour([Chapter(PLACES[0]), Chapter(PLACES[1]), Chapter(PLACES[2])]))
    'We will see the kitchen, then the garden, then the harbour.'
    """
    return f"We will see {', then '.join(chapter.place.names[0] for chapter in tour.chapters)}."


def _record_chapter(draft: VideoDraft, chapter: Chapter) -> None:
    """Append the arrival, the details, and mostly some more time in which nothing happens."""
    rng, difficulty = draft.rng, draft.difficulty
    signpost = fill(rng.choice(SIGNPOSTS), p=rng.choice(chapter.place.names))
    stays = bool(chapter.remark.caption) or rng.random() < 0.6
    quiet_s, before = QUIET * difficulty.scene_s, rng.uniform(0.25, 0.75) if stays else 1.0
    draft.add(Beat(text=(chapter.place.sign,), caption=signpost, mean_s=quiet_s * before))
    for detail in chapter.details:
        banner = (chapter.place.sign, *detail.text)
        draft.add(replace(detail, text=banner, mean_s=DETAIL * difficulty.decisive_s))
    if stays:
        spoken = chapter.remark if chapter.remark.caption else Beat(caption=_chatter(rng))
        draft.add(replace(spoken, text=(chapter.place.sign,), mean_s=quiet_s * (1 - before)))


def _chatter(rng: random.Random) -> str:
    return fill(rng.choice(CHATTER)) if rng.random() < CHATTER_SHARE else ""
