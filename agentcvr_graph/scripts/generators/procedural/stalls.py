"""The videos of a library question: stalls of a market, and what each of them states.

A stall states a row of facts, each once: who gave its owner a thing (said), the words on its poster (shown), what its
card says (shown), and where its owner goes next (said). Stalls differ only in the words of their facts, so the kind and
the length of a scene do not show whether it decides a question. `Stall` holds the words, `Fact` how they are said or
shown, and `decoys` makes stalls that share words with the one that a question describes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agentcvr_graph.scripts.generators.procedural.base import fill, read
from agentcvr_graph.scripts.generators.procedural.scenes import Beat
from agentcvr_graph.scripts.schema import Scene, ScriptedVideo
from agentcvr_graph.types import Modality

THINGS = (
    *("lamp", "clock", "chair", "radio", "mirror", "kettle", "blanket", "camera", "basket", "hammer", "ladder"),
    *("candle", "guitar", "helmet", "carpet", "drum", "bottle", "suitcase", "umbrella", "bicycle", "piano"),
)
GIVERS = (
    *("grandmother", "grandfather", "uncle", "aunt", "teacher", "brother", "sister", "doctor", "cousin", "boss"),
    *("friend", "captain", "neighbor", "wife"),
)
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "golden", "silver", "purple", "orange")
NAMES = (
    *("tiger", "river", "garden", "winter", "dragon", "island", "summer", "thunder", "window", "rocket", "desert"),
    *("forest", "planet", "tower", "castle", "ocean", "valley", "eagle"),
)
WORDS = (
    *("apple", "pepper", "coffee", "lemon", "honey", "butter", "ginger", "cherry", "onion", "garlic", "pumpkin"),
    *("tomato", "banana", "carrot", "melon", "potato"),
)
PLACES = (
    *("harbor", "station", "museum", "bridge", "hospital", "school", "theater", "farm", "airport", "church", "bakery"),
    *("library", "factory", "hotel", "stadium", "prison"),
)
HALLS = ("North hall", "South hall", "East hall", "West hall", "Old hall", "New hall")
IDLES = (
    "people walk past a table.",
    "somebody looks for a lost child.",
    "a hand moves some paper.",
    "a dog sleeps below a chair.",
    "somebody counts the money in a box.",
)
CHATTER = (
    "somebody said that it will rain today.",
    "my family gave me a lot of work this week.",
    "you can read every word on the card.",
    "that would be a good present for a child.",
    "I got here very early in the morning.",
    "the poster is not for sale.",
)
ANSWERS: Mapping[str, Sequence[str]] = {
    "word": WORDS,
    "number": [str(n) for n in range(1, 401)],
    "day": [str(n) for n in range(1, 91)],
    "place": PLACES,
}
"""What a question may ask for, by the name of the word: all values it may have."""
Slots = Mapping[str, str]


@dataclass(frozen=True)
class Fact:
    """How a fact is said, or how it is shown, with the names of its words as fields."""

    says: tuple[str, ...] = ()
    shows: str = ""
    sign: str = ""

    @property
    def modality(self) -> Modality:
        return "audio" if self.says else "visual"

    def beat(self, rng: random.Random, slots: Slots, *, proves: bool = False) -> Beat:
        """Return the fact as a scene."""
        proof: tuple[Modality, ...] = (self.modality,) if proves else ()
        if self.says:
            return Beat(fill(rng.choice(IDLES)), (), fill(rng.choice(self.says), **slots), proof=proof, short=True)
        loud = {name: word.upper() for name, word in slots.items()}
        return Beat(fill(self.shows, **loud), (self.sign.format(**loud),), proof=proof, short=True)

    def read(self, scene: Scene) -> dict[str, str] | None:
        """Return the words of the fact, in lower case, where a scene states it."""
        words = read(self.says, scene.caption) if self.says else read([self.shows], scene.visual)
        return {name: word.lower() for name, word in words.items()} if words else None


GIFT = Fact(
    says=(
        "my {giver} gave me this {thing}.",
        "I got this {thing} from my {giver}.",
        "this {thing} was a present from my {giver}.",
    )
)
SALE = Fact(says=("I will sell this {thing} to my {giver}.", "I gave a {thing} to my {giver} last week."))
MENTION = Fact(says=("my {giver} will be here in an hour.", "I was here with my {giver} last year."))
POSTER = Fact(shows="a poster with the words {colour} {name} hangs on the wall.", sign="{colour} {name}")
TAKEN = Fact(
    says=("somebody took the poster with the words {colour} {name}.", "we had a poster that said {colour} {name}.")
)
CARD = Fact(shows="a card with the word {word} stands on the table.", sign="{word}")
NUMBER = Fact(shows="a card with the number {number} stands on the table.", sign="NUMBER {number}")
DAY = Fact(shows="a card says that this is day {day}.", sign="DAY {day}")
PLAN = Fact(
    says=(
        "our next stop is the {place}.",
        "next week we go to the {place}.",
        "we will take all of it to the {place} next.",
    )
)
FACT_OF: Mapping[str, Fact] = {"word": CARD, "number": NUMBER, "day": DAY, "place": PLAN}


@dataclass(frozen=True)
class Description:
    """A fact by which a question names a stall."""

    fact: Fact
    values: Mapping[str, Sequence[str]]
    clauses: tuple[str, ...]
    """How a question words it."""

    def draw(self, rng: random.Random) -> dict[str, str]:
        """Return random words for it."""
        return {name: rng.choice(values) for name, values in self.values.items()}


GIFTS = Description(
    GIFT,
    {"thing": THINGS, "giver": GIVERS},
    (
        "somebody says that their {giver} gave them the {thing}",
        "somebody says that they got the {thing} from their {giver}",
        "somebody says that the {thing} was a present from their {giver}",
    ),
)
POSTERS = Description(
    POSTER,
    {"colour": COLOURS, "name": NAMES},
    ("a poster with the words {colour} {name} hangs on the wall", "the poster on the wall says {colour} {name}"),
)


@dataclass(eq=False)
class Stall:
    """The words of one video."""

    slots: dict[str, str]
    proves: tuple[Fact, ...] = ()
    """Its facts that decide the question."""
    extra: list[tuple[Fact, Slots]] = field(default_factory=list[tuple[Fact, Slots]])
    """Facts besides, which make it like the stall that is asked for."""

    def has(self, slots: Slots) -> bool:
        """Return whether the stall has all of these words."""
        return slots.items() <= self.slots.items()


def any_stall(rng: random.Random, *excluded: Slots) -> Stall:
    """Return a stall with random words, which has none of the excluded combinations."""
    while True:
        stall = Stall(
            {
                **GIFTS.draw(rng),
                **POSTERS.draw(rng),
                **{name: rng.choice(values) for name, values in ANSWERS.items()},
            }
        )
        if not any(stall.has(slots) for slots in excluded):
            return stall


def decoys(rng: random.Random, wanted: Slots, count: int, *excluded: Slots) -> Iterator[Stall]:
    """Yield stalls that share words with the wanted ones: one of the two, or both in another sense."""
    for n in range(count):
        stall = any_stall(rng, *excluded)
        name = rng.choice(list(wanted))
        if n % 2:
            stall.extra.append(_twist(rng, stall, wanted))
        elif not any(slots.items() <= (stall.slots | {name: wanted[name]}).items() for slots in excluded):
            stall.slots[name] = wanted[name]
        yield stall


def _twist(rng: random.Random, stall: Stall, wanted: Slots) -> tuple[Fact, Slots]:
    """Return a fact with the wanted words that is not the wanted fact."""
    if "colour" in wanted:
        return TAKEN, wanted
    if rng.random() < 0.5:
        return SALE, wanted
    stall.slots["thing"] = wanted["thing"]
    if stall.slots["giver"] == wanted["giver"]:
        stall.slots["giver"] = next(giver for giver in GIVERS if giver != wanted["giver"])
    return MENTION, wanted


def stated(video: ScriptedVideo, fact: Fact) -> dict[str, str]:
    """Return the words with which a video states a fact first; none where it does not."""
    found = (fact.read(scene) for scene in video.scenes)
    return next((words for words in found if words is not None), dict[str, str]())


def title(rng: random.Random) -> str:
    """Return the title of a video. The thing in it is drawn independently of what the video states."""
    return f"{rng.choice(HALLS)} {rng.randint(1, 999)}, {rng.choice(THINGS)}"


def deal(rng: random.Random, key: str, options: Sequence[str], others: Sequence[str], near: int, far: int) -> list[str]:
    """Return the answers that the other stalls give: `near` decoys first, then `far` others.

    A decoy's answer is drawn from all options, so it says nothing of the key. The other stalls then even the options
    out: over the whole library each option is there equally often, and so is what is no option.
    """
    dealt = [rng.choice(options) for _ in range(near)]
    counts = {option: dealt.count(option) + (option == key) for option in options}
    goal = max((near + far) // (len(options) + len(others)), *counts.values())
    even = [option for option in options for _ in range(goal - counts[option])]
    rest = rng.choices(others, k=max(0, far - len(even))) if others else rng.sample(options, max(0, far - len(even)))
    return dealt + rng.sample([*even, *rest], far)
