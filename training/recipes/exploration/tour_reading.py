"""What the evidence says of tours: the scenes of each place, what is said, and where things are.

Only the text of the messages is read, never the script.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement
from agentcvr_graph.render import read_picture
from agentcvr_graph.scripts.generators.procedural import GENERATORS
from agentcvr_graph.scripts.generators.procedural.base import read
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator
from agentcvr_graph.scripts.generators.procedural.tours.words import PLACES, Term
from agentcvr_graph.scripts.schema import TOUR_TASKS, Task
from training.recipes.exploration.traces import UNKNOWN

Terms = Mapping[str, Term]


@functools.lru_cache(maxsize=4096)
def asked(question: str) -> tuple[Task, Terms] | None:
    """Return the task of a question over tours and what it names; None for another question."""
    for task in TOUR_TASKS:
        generator = GENERATORS[task]
        assert isinstance(generator, TourGenerator)
        try:
            return task, generator.phrasings.read(question)
        except ValueError:
            continue
    return None


@dataclass(frozen=True)
class Seen:
    """One scene of a tour, as the evidence shows it."""

    place: Term
    details: tuple[str, ...]
    """Its lines besides the banner, in lower case."""
    statement: Statement


@dataclass(frozen=True)
class Tour:
    """What the evidence says of one video."""

    clip: Clip
    seen: Sequence[Seen]
    heard: Sequence[tuple[str, Statement]]
    """What is said, in lower case, in order of time."""

    def at(self, place: Term) -> list[Seen]:
        """Return the scenes that show the banner of a place."""
        return [scene for scene in self.seen if scene.place is place]

    def span(self, place: Term) -> str:
        """Return the seconds in which the place is known to be, as in the evidence; empty if it was not seen."""
        windows = [scene.statement.window for scene in self.at(place)]
        if not windows:
            return ""
        return f"{min(w.start_s for w in windows):.1f}-{max(w.end_s for w in windows):.1f}"

    def note(self, place: Term, found: Sequence[str], verdict: str = "") -> str:
        """Return the findings about a place of this tour, or where it lies if there are none."""
        name, known = place.sign.lower(), ", ".join(found)
        if not known:
            span = self.span(place)
            return f"[video {self.clip.number}, {f'{name} {UNKNOWN}; {span}' if span else UNKNOWN}"
        return f"[video {self.clip.number}, {name}, {known}{f': {verdict}' if verdict else ''}"

    def where(self, place: Term) -> str:
        """Return that a place is to be looked at, and where it lies as far as that is known."""
        span = self.span(place)
        return f"[video {self.clip.number}, {place.sign.lower()} {UNKNOWN}{f'; {span}' if span else ''}"

    def said_at(self, place: Term) -> list[tuple[str, Statement]]:
        """Return what is said while the banner of a place is shown."""
        windows = [scene.statement.window for scene in self.at(place)]
        if not windows:
            return []
        start_s, end_s = min(w.start_s for w in windows), max(w.end_s for w in windows)
        return [one for one in self.heard if start_s - 1 <= one[1].window.start_s < end_s + 1]


def tours_of(reading: Reading) -> list[Tour]:
    """Return what the evidence says of each video."""
    return [_tour(reading, clip) for clip in reading.videos]


def _tour(reading: Reading, clip: Clip) -> Tour:
    own = sorted(
        (one for one in reading.statements if one.window.video == clip.number), key=lambda one: one.window.start_s
    )
    seen: list[Seen] = []
    for statement in own:
        lines = read_picture(statement.text)[1] if statement.modality == "visual" else []
        place = next((place for place in PLACES if lines and lines[0] == place.sign), None)
        if place is not None:
            seen.append(Seen(place, tuple(line.lower() for line in lines[1:]), statement))
    heard = [(one.text.strip('"').lower(), one) for one in own if one.text.startswith('"')]
    return Tour(clip, seen, heard)


def named_in(terms: Sequence[Term], text: str) -> list[Term]:
    """Return the terms that a text names, in the order in which it names them."""
    places = {term: min((at for name in term.names if (at := text.find(name)) >= 0), default=-1) for term in terms}
    return sorted((term for term, at in places.items() if at >= 0), key=lambda term: places[term])


def order_of(tour: Tour) -> list[Term]:
    """Return the places of a tour in order: as the guide lists them, or else as far as they were seen."""
    for text, _ in tour.heard:
        if text.startswith("we will see"):
            return named_in(PLACES, text.partition(".")[0])
    return list(dict.fromkeys(scene.place for scene in tour.seen))


def number_at(tour: Tour, place: Term, sign: str) -> tuple[int, Statement] | None:
    """Return the number on the sign at a place, with its statement; `sign` is a template with the field n."""
    for scene in tour.at(place):
        for line in scene.details:
            words = read([sign], line)
            if words and words["n"].isdigit():
                return int(words["n"]), scene.statement
    return None
