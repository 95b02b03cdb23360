"""Reasoning traces for questions over tours (STOP, SPOT, PAIR, COST, LOCK).

The notes translate the question into the words of the videos, then go through the videos: what is known of the place
that is asked for, or where its chapter lies if nothing is known of it yet, such as `[video 2, mill ?; 97.0-148.2`. So
the seconds of a closer look can be copied from the notes. Whether and where to look closer is not decided here.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement
from agentcvr_graph.render import read_picture
from agentcvr_graph.scripts.generators.procedural import GENERATORS
from agentcvr_graph.scripts.generators.procedural.base import read
from agentcvr_graph.scripts.generators.procedural.tours import numbers
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, ITEMS, PLACES, Term
from agentcvr_graph.scripts.schema import TOUR_TASKS, Task
from training.recipes.exploration.traces import UNKNOWN, ReasoningTrace

YES, NO = "yes", "no"
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


def tour_trace(reading: Reading, task: Task, terms: Terms, rng: random.Random) -> ReasoningTrace:
    """Return the best answer that the evidence allows; the rest is guessed with `rng`."""
    return _TRACES[task](reading, terms, rng)


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


# STOP: which tour comes to one place before another?


def order_of(tour: Tour) -> list[Term]:
    """Return the places of a tour in order: as the guide lists them, or else as far as they were seen."""
    for text, _ in tour.heard:
        if text.startswith("we will see"):
            return named_in(PLACES, text.partition(".")[0])
    return list(dict.fromkeys(scene.place for scene in tour.seen))


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
    return _one_video(notes, verdicts, support, rng)


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
    return _one_video(notes, verdicts, support, rng)


def details_at(tour: Tour, place: Term) -> dict[str, Statement]:
    """Return the deeds that were seen at a place, each with its statement."""
    deeds = {deed.sign.lower() for deed in DEEDS}
    return {line: scene.statement for scene in tour.at(place) for line in scene.details if line in deeds}


def _one_video(
    notes: Sequence[str], verdicts: Sequence[str], support: Sequence[Statement], rng: random.Random
) -> ReasoningTrace:
    """Return the video with the verdict yes; else guess among those of which nothing is known, else among all."""
    best = next((verdict for verdict in (YES, UNKNOWN) if verdict in verdicts), NO)
    chosen = rng.choice([n for n, verdict in enumerate(verdicts) if verdict == best])
    return ReasoningTrace("\n".join(notes), ascii_uppercase[chosen], list(support))


# PAIR: in which tours is a deed done at a place that certain people built?


def builder_at(tour: Tour, place: Term) -> tuple[Term, Statement] | None:
    """Return who built a place, by what is said there, with the statement."""
    windows = [scene.statement.window for scene in tour.at(place)]
    if not windows:
        return None
    start_s, end_s = min(w.start_s for w in windows), max(w.end_s for w in windows)
    for text, statement in tour.heard:
        builders = named_in(BUILDERS, text)
        if builders and start_s - 1 <= statement.window.start_s < end_s + 1:
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


def number_at(tour: Tour, place: Term, sign: str) -> tuple[int, Statement] | None:
    """Return the number on the sign at a place, with its statement; `sign` is a template with the field n."""
    for scene in tour.at(place):
        for line in scene.details:
            words = read([sign], line)
            if words and words["n"].isdigit():
                return int(words["n"]), scene.statement
    return None


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
    order = ", ".join(f"{prices.get(number, UNKNOWN)} is {number}" for number in ranked)
    return ReasoningTrace("\n".join(notes), "->".join(map(str, ranked)), support, f"sorted: {order}.")


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
            note = tour.note(place, [f"locker {found[0]}"]) if found else _where(tour, place)
            value = found[0] if found else rng.randint(1, numbers.HIGHEST)
            support = [statement, *([found[1]] if found else [])]
            return ReasoningTrace(f"{wanted}\n{note}", float(value), support)
    return ReasoningTrace(f"{wanted}\n{UNKNOWN}", float(rng.randint(1, numbers.HIGHEST)))


def _where(tour: Tour, place: Term) -> str:
    """Return that a place is the one, and where it lies as far as that is known."""
    span = tour.span(place)
    return f"[video {tour.clip.number}, {place.sign.lower()} {UNKNOWN}{f'; {span}' if span else ''}"


_TRACES: Mapping[str, Callable[[Reading, Terms, random.Random], ReasoningTrace]] = {
    "STOP": _stop,
    "SPOT": _spot,
    "PAIR": _pair,
    "COST": _cost,
    "LOCK": _lock,
}
