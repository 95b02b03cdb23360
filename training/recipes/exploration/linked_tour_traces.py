"""Reasoning traces for questions over tours in which one finding says where to look for the next (RULE, CHAIN).

The notes go through the tours, or follow the trail, and end where the evidence ends: `?` with the place to look at.
Speech may be garbled, so a sentence is read as the one of the known sentences whose words it holds most of.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from agentcvr_graph.models.offline.master.reading import Reading, Statement
from agentcvr_graph.scripts.generators.procedural.base import read
from agentcvr_graph.scripts.generators.procedural.tours import numbers, rules, trails
from agentcvr_graph.scripts.generators.procedural.tours.words import EMBLEMS, ORDINALS, PLACES, Term
from training.recipes.exploration.tour_reading import Terms, Tour, named_in, number_at, order_of, tours_of
from training.recipes.exploration.traces import NO, UNKNOWN, YES, ReasoningTrace, one_video

LEAST = 0.6
"""Least share of the words of a known sentence that a heard one must hold."""
GENERAL = frozenset(["a", "an", "the", "that", "of", "with", "place", "room", "house", "where"])
"""Words of names that name nothing by themselves."""
MEANINGS: Mapping[str, Sequence[str]] = {
    "only": rules.OPENING,
    "not": rules.CLOSING,
    "all": rules.EVERY_OPEN,
    "none": rules.EVERY_CLOSED,
    "card": rules.POSTED,
    "as": rules.SAME,
}
"""What a guide says about doors, each with its sentences."""
Found = tuple[str, list[Statement]]
"""What is known, in words, and the statements that show it."""


def meaning_of(sentence: str, meanings: Mapping[str, Sequence[str]]) -> str:
    """Return what a sentence means: the meaning whose sentence it is most like; empty if it is like none.

    >>> meaning_of("without an eagle on door we stay outside", MEANINGS), meaning_of("mind your head.", MEANINGS)
    ('only', '')
    """
    alike = {
        meaning: max(_likeness(template, sentence) for template in templates) for meaning, templates in meanings.items()
    }
    best = max(alike, key=lambda meaning: alike[meaning])
    return best if alike[best] >= LEAST else ""


def _likeness(template: str, sentence: str) -> float:
    """Return the share of a template's words, without its fields, that a sentence holds in the same order."""
    wanted, said = _words(re.sub(r"\{\w\}", "", template)), _words(sentence)
    blocks = SequenceMatcher(None, wanted, said, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def most_likely(terms: Sequence[Term], sentence: str) -> Term | None:
    """Return the term that a sentence names, or names most of; None if it names none.

    >>> most_likely(EMBLEMS, "where you see the king the animals").sign
    'LION'
    """
    if named := named_in(terms, sentence):
        return named[-1]
    said = set(_words(sentence))
    parts = {term: max(_share_said(name, said) for name in term.names) for term in terms}
    best = max(parts, key=lambda term: parts[term])
    return best if parts[best] >= LEAST else None


def _share_said(name: str, said: set[str]) -> float:
    own = set(_words(name)) - GENERAL
    return len(own & said) / len(own)


def tour_named(sentence: str, tours: Sequence[Tour]) -> Tour | None:
    """Return the tour that a sentence names by its number; None if it names none that exists."""
    numbers_said = [ORDINALS.index(word) for word in _words(sentence) if word in ORDINALS]
    return next((tours[n] for n in numbers_said if n < len(tours)), None)


# RULE: which tour may enter a place?


@dataclass(frozen=True)
class Known:
    """What is known of the rule of a tour."""

    note: str
    rule: rules.Rule | None
    support: list[Statement]


def rule_known(tour: Tour, tours: Sequence[Tour], *, follows: bool = True) -> Known:
    """Return what is known of the rule of a tour; its own, on a card, or that of another tour if it `follows` it."""
    for text, statement in tour.heard:
        said = text.rpartition(". ")[2]
        meaning = meaning_of(said, MEANINGS)
        if meaning in ("all", "none"):
            return Known(meaning, rules.Rule(meaning == "all"), [statement])
        if meaning in ("only", "not") and (emblem := most_likely(EMBLEMS, said)):
            return _known(rules.Rule(meaning == "only", emblem), [statement])
        if meaning == "card" and (place := most_likely(PLACES, said)):
            return _on_card(tour, place, statement)
        if meaning == "as" and follows and (source := tour_named(said, tours)):
            known = rule_known(source, tours, follows=False)
            return Known(f"as {source.clip.number} {known.note}", known.rule, [statement, *known.support])
    return Known(f"rule {UNKNOWN}", None, [])


def _known(rule: rules.Rule, support: list[Statement]) -> Known:
    name = rule.emblem.sign.lower() if rule.emblem else "doors"
    return Known(f"{'only' if rule.opening else 'not'} {name}", rule, support)


def _on_card(tour: Tour, place: Term, statement: Statement) -> Known:
    for scene in tour.at(place):
        for line in scene.details:
            if rule := rules.stated(line):
                return _known(rule, [statement, scene.statement])
    span = tour.span(place)
    return Known(f"card {place.sign.lower()} {UNKNOWN}{f' {span}' if span else ''}", None, [statement])


def door_at(tour: Tour, place: Term) -> tuple[Term, Statement] | None:
    """Return the emblem on the door of a place, with its statement."""
    for scene in tour.at(place):
        for line in scene.details:
            if words := read([rules.DOOR], line):
                return rules.emblem_of(words["m"]), scene.statement
    return None


def may_enter(tour: Tour, tours: Sequence[Tour], place: Term) -> tuple[str, Found]:
    """Return whether a group may enter a place (yes, no or unknown), with a note and its statements."""
    known, door = rule_known(tour, tours), door_at(tour, place)
    support = [*known.support, *([door[1]] if door else [])]
    order = order_of(tour)
    visits = place in order or not order or bool(tour.at(place))
    if known.rule is not None and known.rule.emblem is None:
        verdict = YES if known.rule.opening else NO
        return verdict, (f"[video {tour.clip.number}, {known.note}: {verdict}", known.support)
    if door is None:
        looked_for = tour.where(place).partition(", ")[2]
        verdict = UNKNOWN if visits else NO
        return verdict, (f"[video {tour.clip.number}, {known.note}; {looked_for if visits else NO}", support)
    verdict = UNKNOWN if known.rule is None else YES if known.rule.opens(door[0]) else NO
    seen = f"{place.sign.lower()}, {door[0].sign.lower()} door: {verdict}"
    return verdict, (f"[video {tour.clip.number}, {known.note}; {seen}", support)


def rule_trace(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    """Return the tour whose rule opens the door of a place; it is guessed where no tour is known to."""
    tours = tours_of(reading)
    found = [may_enter(tour, tours, terms["p"]) for tour in tours]
    notes = [f"wanted: {terms['p'].sign.lower()}", *(note for _, (note, _) in found)]
    support = [statement for verdict, (_, shown) in found if verdict == YES for statement in shown]
    return one_video(notes, [verdict for verdict, _ in found], support, rng)


# CHAIN: which number stands at the end of the trail that starts at a place?


@dataclass(frozen=True)
class Trail:
    """A trail as far as it is known."""

    notes: list[str]
    support: list[Statement]
    number: int | None = None
    """The number on the box at its end; None where the evidence ends before."""
    hints: int = 0


def trail_from(tours: Sequence[Tour], place: Term) -> Trail:
    """Follow the hints from a place that one tour visits."""
    tour = next((tour for tour in tours if place in order_of(tour) or tour.at(place)), None)
    notes, support = list[str](), list[Statement]()
    if tour is None:
        return Trail([UNKNOWN], support)
    for hints in range(trails.MOST_HINTS + 1):
        if box := number_at(tour, place, trails.BOX):
            notes.append(tour.note(place, [f"box {box[0]}"]))
            return Trail(notes, [*support, box[1]], box[0], hints)
        hint = hint_at(tour, place, tours)
        if hint is None:
            break
        following, following_place, statement = hint
        notes.append(tour.note(place, [f"to {following.clip.number} {following_place.sign.lower()}"]))
        support.append(statement)
        tour, place = following, following_place
    return Trail([*notes, tour.where(place)], support)


def hint_at(tour: Tour, place: Term, tours: Sequence[Tour]) -> tuple[Tour, Term, Statement] | None:
    """Return the tour and the place that a sign or the guide names at a place, with the statement."""
    for scene in tour.at(place):
        for line in scene.details:
            words = read([trails.NEXT], line)
            named = next((term for term in PLACES if words and term.sign.lower() == words["p"]), None)
            if words and named and words["n"].isdigit() and 1 <= int(words["n"]) <= len(tours):
                return tours[int(words["n"]) - 1], named, scene.statement
    for text, statement in tour.said_at(place):
        following, named = tour_named(text, tours), most_likely(PLACES, text)
        if following and named and meaning_of(text, {"next": trails.HINTS}):
            return following, named, statement
    return None


def chain_trace(reading: Reading, terms: Terms, rng: random.Random) -> ReasoningTrace:
    """Return the number at the end of the trail; it is guessed where the evidence ends before."""
    trail = trail_from(tours_of(reading), terms["p"])
    notes = "\n".join((f"wanted: {terms['p'].sign.lower()}", *trail.notes))
    number = rng.randint(1, numbers.HIGHEST) if trail.number is None else trail.number
    return ReasoningTrace(notes, float(number), trail.support)
