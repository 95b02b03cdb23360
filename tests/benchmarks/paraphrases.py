"""Paraphrases of library questions: every content word is replaced by another, by a fixed table.

No word on the right is in a statement of the world `library`, so a search for equal words finds nothing by them.
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
_WORD = re.compile(r"[A-Za-z]+")


def paraphrased(text: str) -> str:
    """Return a text with every word of the table replaced.

    >>> paraphrased("somebody says that their aunt gave them the lamp")
    "somebody mentions that their mom's sibling handed them the light fixture"
    """
    return _WORD.sub(lambda match: SYNONYMS.get(match[0].lower(), match[0]), text)
