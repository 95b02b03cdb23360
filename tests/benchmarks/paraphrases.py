"""Library questions in other words, which share no content word with the statements of the world `library`.

- `reworded`: as a person may put it: each clause is written anew, and things, colours and names have common synonyms.
- `paraphrased`: word by word, by a fixed table, also with unusual words ("jet-dark dale").
"""

from __future__ import annotations

import re

SYNONYMS = {
    # things
    "lamp": "light fixture",
    "clock": "timepiece",
    "chair": "seat",
    "radio": "wireless receiver",
    "mirror": "shaving glass",
    "kettle": "teapot",
    "blanket": "bedcover",
    "camera": "photo apparatus",
    "basket": "wicker container",
    "hammer": "mallet",
    "ladder": "climbing steps",
    "candle": "wax taper",
    "guitar": "stringed instrument",
    "helmet": "hard hat",
    "carpet": "rug",
    "drum": "percussion instrument",
    "bottle": "flask",
    "suitcase": "luggage",
    "umbrella": "parasol",
    "bicycle": "bike",
    "piano": "keyboard instrument",
    # givers
    "grandmother": "granny",
    "grandfather": "grandpa",
    "uncle": "dad's sibling",
    "aunt": "mom's sibling",
    "teacher": "instructor",
    "brother": "male sibling",
    "sister": "female sibling",
    "doctor": "physician",
    "cousin": "relative",
    "boss": "employer",
    "friend": "buddy",
    "captain": "skipper",
    "neighbor": "person living nearby",
    "wife": "spouse",
    # colours
    "red": "crimson",
    "blue": "azure",
    "green": "emerald",
    "yellow": "canary-colored",
    "white": "snowy",
    "black": "jet-dark",
    "golden": "gilded",
    "silver": "silvery",
    "purple": "violet",
    "orange": "tangerine",
    # names
    "tiger": "striped big cat",
    "river": "stream",
    "garden": "yard of flowers",
    "winter": "cold season",
    "dragon": "fire-breathing monster",
    "island": "isle",
    "summer": "hot season",
    "thunder": "storm noise",
    "window": "glass pane",
    "rocket": "spaceship",
    "desert": "sandy wasteland",
    "forest": "woods",
    "planet": "celestial world",
    "tower": "tall building",
    "castle": "fortress",
    "ocean": "sea",
    "valley": "dale",
    "eagle": "bird of prey",
    # verbs and frames
    "says": "mentions",
    "gave": "passed",
    "got": "received",
    "present": "gift",
    "poster": "placard",
    "words": "lettering",
    "hangs": "is mounted",
    "card": "small sign",
}
THINGS = {
    **{
        "lamp": "lantern",
        "clock": "timepiece",
        "chair": "seat",
        "radio": "wireless receiver",
        "mirror": "looking glass",
    },
    **{
        "kettle": "teapot",
        "blanket": "bedspread",
        "camera": "photography gear",
        "basket": "hamper",
        "hammer": "mallet",
    },
    **{"ladder": "stepladder", "candle": "tealight", "guitar": "string instrument", "helmet": "hard hat"},
    **{"carpet": "rug", "drum": "percussion instrument", "bottle": "flask", "suitcase": "luggage"},
    **{"umbrella": "parasol", "bicycle": "bike", "piano": "keyboard instrument"},
}
GIVERS = {
    **{"grandmother": "grandma", "grandfather": "grandpa", "uncle": "dad's sibling", "aunt": "auntie"},
    **{"teacher": "tutor", "brother": "bro", "sister": "sis", "doctor": "physician", "cousin": "relative"},
    **{"boss": "manager", "friend": "buddy", "captain": "skipper", "neighbor": "person from across the street"},
    **{"wife": "spouse"},
}
COLOURS = {
    **{"red": "scarlet", "blue": "azure", "green": "emerald", "yellow": "mustard", "white": "ivory", "black": "ebony"},
    **{"golden": "gold", "silver": "silvery", "purple": "violet", "orange": "tangerine"},
}
NAMES = {
    **{"tiger": "big cat", "river": "stream", "garden": "backyard", "winter": "cold season", "island": "isle"},
    **{"dragon": "fire-breathing monster", "summer": "warm season", "thunder": "storm", "window": "glass pane"},
    **{"rocket": "spaceship", "desert": "sand dunes", "forest": "woods", "planet": "world", "tower": "skyscraper"},
    **{"castle": "fortress", "ocean": "sea", "valley": "canyon", "eagle": "bird of prey"},
}
CLAUSES = {
    r"somebody says that their (?P<giver>\w+) gave them the (?P<thing>\w+)": (
        "someone mentions that a {thing} was passed down to them by their {giver}"
    ),
    r"somebody says that they got the (?P<thing>\w+) from their (?P<giver>\w+)": (
        "someone mentions receiving a {thing} as a gift from their {giver}"
    ),
    r"somebody says that the (?P<thing>\w+) was a present from their (?P<giver>\w+)": (
        "someone explains that their {giver} once bought them a {thing}"
    ),
    r"a poster with the words (?P<colour>\w+) (?P<name>\w+) hangs on the wall": (
        "there is a sign with the title {colour} {name}"
    ),
    r"the poster on the wall says (?P<colour>\w+) (?P<name>\w+)": "a placard mentions {colour} {name}",
    r"which word is on the card": "what is printed on the small notice",
    r"which word does the card show": "what is printed on the small notice",
    r"what is the number on the card": "which figure is printed on the small notice",
    r"which number does the card show": "which figure is printed on the small notice",
    r"where do they go from the place where": "what is the destination afterwards in the clip where",
    r"where will the people there go next": "what is their destination afterwards",
    r"name the place where they go next": "give the destination that follows",
    r"to what kind of place do the people there go next": "what sort of destination do they have afterwards",
    r"when is the poster shown": "at what moment does the placard appear",
    r"in which interval does that video show its poster": "at what moment does it display its placard",
    r"which was filmed on the earlier day": "which of the two recordings was made first",
    r"by the days on their cards, which is older": "judging by the dates, which one is older",
    r"in one of the videos": "in one of the clips",
    r"the video in which": "the clip where",
    r"the one in which": "the one where",
}
_SLOTS = {"thing": THINGS, "giver": GIVERS, "colour": COLOURS, "name": NAMES}
_WORD = re.compile(r"[A-Za-z]+")


def paraphrased(text: str) -> str:
    """Return a text with every word of the table replaced.

    >>> paraphrased("somebody says that their aunt gave them the lamp")
    "somebody mentions that their mom's sibling passed them the light fixture"
    """
    return _WORD.sub(lambda match: SYNONYMS.get(match[0].lower(), match[0]), text)


def reworded(question: str) -> str:
    """Return a question as a person may put it in other words.

    >>> reworded("In one of the videos the poster on the wall says black valley. Where will the people there go next?")
    'in one of the clips a placard mentions ebony canyon. what is their destination afterwards?'
    """
    for clause, other in CLAUSES.items():
        question = re.sub(clause, lambda found, other=other: _filled(other, found), question, flags=re.IGNORECASE)
    return question


def _filled(text: str, found: re.Match[str]) -> str:
    return text.format(**{slot: _SLOTS[slot][word] for slot, word in found.groupdict().items()})
