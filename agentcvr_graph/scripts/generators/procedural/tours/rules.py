"""RULE, which tour may enter a place: the answer follows from a rule of the tour that the question does not mention.

An emblem is painted on every door. Each guide says what emblems mean on that tour, such as "without a lion on the door
we stay outside", so the same door is open to one group and closed to another. An emblem opens doors or closes them, and
sentences of both kinds use the same words.

A guide says the rule in the first seconds; or names another place, where a card states it; or names another tour, whose
rule holds here too. So a question needs one window (every door is open) to four (the guide names another tour, its
guide names a place, then the card there and the door).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from agentcvr_graph.scripts.generators.procedural.base import Difficulty, fill, pick, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.generators.procedural.tours import wordings
from agentcvr_graph.scripts.generators.procedural.tours.layout import Tour, fill_in, plan
from agentcvr_graph.scripts.generators.procedural.tours.tour_generator import TourGenerator, a_letter, signs_at
from agentcvr_graph.scripts.generators.procedural.tours.words import EMBLEMS, ORDINALS, PLACES, Term
from agentcvr_graph.scripts.schema import ScriptedVideo
from agentcvr_graph.types import AnswerValue

DOOR = "{m} DOOR"
OPENING = (
    "we only go in where you see {m}.",
    "without {m} on the door we stay outside.",
    "no door is for us unless it shows {m}.",
    "{m} welcomes us, and all other doors are private.",
)
"""Sentences of a rule by which an emblem opens a door."""
CLOSING = (
    "where you see {m}, we stay outside.",
    "with {m} on the door it is not for us.",
    "we may try each door that does not show {m}.",
    "{m} means private, and all other doors welcome us.",
)
"""Sentences of a rule by which an emblem closes a door."""
EVERY_OPEN = ("today all doors are open to us.", "today we may go in everywhere.", "no room is closed to us today.")
EVERY_CLOSED = ("today all doors are closed to us.", "today we only look from outside.", "no room is open to us today.")
POSTED = (
    "which doors are for us is written in {q}.",
    "the rule for doors hangs in {q}.",
    "read the card about doors in {q}.",
)
SAME = (
    "what holds on the {n} tour holds here too.",
    "for doors we do as the {n} tour does.",
    "our rule for doors is that of the {n} tour.",
)
OPENING_CARDS = ("ENTER ONLY WITH {m}", "PRIVATE WITHOUT {m}")
CLOSING_CARDS = ("DO NOT ENTER WITH {m}", "PRIVATE WITH {m}")
EVERY_SHARE = 0.5
"""Share of the rules about every door, where nothing is close."""
CARD_SHARE = SAME_SHARE = 0.35
"""Shares of the rules on a card, and of another tour, where everything is close."""


@dataclass(frozen=True)
class Rule:
    """Which doors a group may enter."""

    opening: bool
    """Whether the emblem opens a door; otherwise it closes it."""
    emblem: Term | None = None
    """None for a rule about every door."""

    def opens(self, emblem: Term) -> bool:
        """Return whether a door with an emblem may be entered."""
        return self.opening if self.emblem is None else self.opening == (emblem is self.emblem)


class RuleGenerator(TourGenerator):
    """RULE: which tour may enter a place?"""

    def __init__(self) -> None:
        super().__init__("RULE", "choice", wordings.RULE)

    def draw(self, rng: random.Random) -> Mapping[str, Term]:
        """Draw a place."""
        return {"p": rng.choice(PLACES)}

    def draw_key(self, rng: random.Random, videos: int) -> AnswerValue:
        """Draw a video."""
        return a_letter(rng, videos)

    def tours(
        self, rng: random.Random, difficulty: Difficulty, terms: Mapping[str, Term], key: AnswerValue
    ) -> Sequence[Tour]:
        """Plan tours of which one opens the place; in close ones the other doors of the tour differ from it."""
        right, place, closeness = ascii_uppercase.index(str(key)), terms["p"], difficulty.closeness
        found = [plan(rng, difficulty, (place,)) for _ in range(difficulty.videos)]
        rules, taken_from = _rules(rng, len(found), right, closeness)
        proving = (right, taken_from.get(right, right))
        for n, (tour, rule) in enumerate(zip(found, rules, strict=True)):
            _put_doors(rng, tour, place, rule, right=n == right, closeness=closeness)
            if n in taken_from:
                tour.greeting = Beat(caption=fill(rng.choice(SAME), n=ORDINALS[taken_from[n]]))
            else:
                _state(rng, tour, place, rule, closeness=closeness, proves=n in proving)
            if n in proving:
                tour.greeting = Beat(caption=tour.greeting.caption, proof=("audio",))
            fill_in(rng, tour, ())
        return found

    def answer(self, terms: Mapping[str, Term], videos: Sequence[ScriptedVideo]) -> AnswerValue:
        """Return the tour whose rule opens the door of the place.

        Raises:
            ValueError: there is none.
        """
        for n, video in enumerate(videos):
            doors = (read([DOOR], line) for line in signs_at(video, terms["p"]))
            emblem = next((emblem_of(words["m"]) for words in doors if words), None)
            if emblem is not None and rule_of(videos, n).opens(emblem):
                return ascii_uppercase[n]
        raise ValueError("no tour may enter the place")


def rule_of(videos: Sequence[ScriptedVideo], n: int) -> Rule:
    """Return the rule of tour `n`, counted from 0.

    Raises:
        ValueError: neither its guide nor a card states one.
    """
    said = videos[n].scenes[0].caption.partition(". ")[2]
    if words := read(SAME, said):
        return rule_of(videos, ORDINALS.index(words["n"]))
    lines = [said]
    if words := read(POSTED, said):
        place = next(term for term in PLACES if words["q"] in term.names)
        lines = signs_at(videos[n], place)
    rule = next((rule for line in lines if (rule := stated(line))), None)
    if rule is None:
        raise ValueError(f"tour {n + 1} has no rule")
    return rule


def stated(text: str) -> Rule | None:
    """Return the rule that a sentence or a card states; None if it states none.

    >>> stated("Without a lion on the door we stay outside.").emblem.sign, stated("PRIVATE WITH KEY").opening
    ('LION', False)
    """
    for opening, every, about in (
        (True, EVERY_OPEN, (*OPENING, *OPENING_CARDS)),
        (False, EVERY_CLOSED, (*CLOSING, *CLOSING_CARDS)),
    ):
        if read(every, text) is not None:
            return Rule(opening)
        if words := read(about, text):
            return Rule(opening, emblem_of(words["m"]))
    return None


def emblem_of(name: str) -> Term:
    """Return the emblem that a guide or a sign names."""
    return next(term for term in EMBLEMS if name.lower() in (term.sign.lower(), *term.names))


def _rules(rng: random.Random, count: int, right: int, closeness: float) -> tuple[list[Rule], dict[int, int]]:
    """Return a rule a tour, and the tours that take theirs from another tour, with that other tour."""
    rules = [_a_rule(rng, closeness, opening=n == right) for n in range(count)]
    taking = [n for n in range(count) if rng.random() < closeness * SAME_SHARE]
    sources = [n for n, rule in enumerate(rules) if n not in taking and rule.emblem is not None]
    taken_from = {n: rng.choice(sources) for n in taking} if sources else {}
    return [rules[taken_from.get(n, n)] for n in range(count)], taken_from


def _a_rule(rng: random.Random, closeness: float, *, opening: bool) -> Rule:
    """Return a rule about an emblem, or sometimes that every door is open or closed, as given by `opening`."""
    if rng.random() < EVERY_SHARE * (1 - closeness):
        return Rule(opening)
    return Rule(rng.random() < 0.5, rng.choice(EMBLEMS))


def _put_doors(rng: random.Random, tour: Tour, place: Term, rule: Rule, *, right: bool, closeness: float) -> None:
    """Paint an emblem on every door; at `place` one that is open if `right`, elsewhere the same or any other."""
    here = rng.choice([one for one in EMBLEMS if rule.emblem is None or rule.opens(one) == right])
    others = [one for one in EMBLEMS if rule.emblem is None or rule.opens(one) != right]
    elsewhere = pick(rng, [chapter for chapter in tour.chapters if chapter.place is not place], len(tour.chapters) - 1)
    close = rng.random() < closeness
    for chapter, other in zip(elsewhere, (rng.choice(others), *rng.choices(EMBLEMS, k=len(elsewhere))), strict=False):
        chapter.details.append(Beat(text=(DOOR.format(m=(other if close else here).sign),)))
    proves = right and rule.emblem is not None
    tour.at(place).details.append(Beat(text=(DOOR.format(m=here.sign),), proof=("visual",) if proves else ()))


def _state(rng: random.Random, tour: Tour, place: Term, rule: Rule, *, closeness: float, proves: bool) -> None:
    """Let the guide say the rule, or say where else a card states it."""
    if rule.emblem is None:
        tour.greeting = Beat(caption=fill(rng.choice(EVERY_OPEN if rule.opening else EVERY_CLOSED)))
    elif rng.random() < closeness * CARD_SHARE:
        chapter = rng.choice([chapter for chapter in tour.chapters if chapter.place is not place])
        card = rng.choice(OPENING_CARDS if rule.opening else CLOSING_CARDS).format(m=rule.emblem.sign)
        chapter.details.append(Beat(text=(card,), proof=("visual",) if proves else ()))
        tour.greeting = Beat(caption=fill(rng.choice(POSTED), q=rng.choice(chapter.place.names)))
    else:
        said = rng.choice(OPENING if rule.opening else CLOSING)
        tour.greeting = Beat(caption=fill(said, m=rng.choice(rule.emblem.names)))
