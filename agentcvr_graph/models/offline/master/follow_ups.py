"""Complete a follow-up question: "and in the second one?" means the question before it, about video 2.

A language model reads the conversation. The offline master matches the words of one question, so a follow-up that
leaves words out has to get them from the question before. Ordinals of videos become their numbers in every question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_lowercase

from agentcvr_graph.models.offline.master.language import content_words

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_REFERENCE = re.compile(
    rf"\b(?:the )?({'|'.join(_ORDINALS)}|1st|2nd|3rd|[4-9]th|10th|last) (?:one|video|clip|recording)\b"
    r"(?! (?:that|which|where|in which|to|with|showing)\b)",
    re.I,
)
_ORDINAL = re.compile(_REFERENCE.pattern.replace("(?:one|", "(?:"), re.I)
"""The same without "the first one", which is a video only after a question that named one."""
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_AT_PLACE = re.compile(
    rf"(?:the )?(?P<ordinal>{'|'.join(_ORDINALS)}|1st|2nd|3rd|[4-9]th|10th|last)(?: one)?"
    rf"|(?P<noun>(?:video|clip|recording) (?:number |no\.? )?)?"
    rf"#?(?:(?P<digits>\d+)|(?P<word>{'|'.join(_COUNTED)})|(?P<letter>[a-z]))",
    re.I,
)
"""All of an option that says which video by its place in the list: "the first", "clip two", "2", "B"."""
_NUMBER = re.compile(r"\bvideo\s*#?(\d+)", re.I)
_PLACE = re.compile(r"\s*\b(?:(?:in|on|of|from)\s+)?video\s*#?\d+", re.I)
MOST_WORDS = 5
"""Words of a follow-up that leaves the rest out, besides the video that it names."""
_ASKED = re.compile(
    r"\b(?:said|says?|spoken|hear|heard|written|writes?|shown|shows?|seen|sees?|happens?|colou?rs?)\b", re.I
)
"""Words by which a question is complete although none of them is matched with statements."""
_LEAD = re.compile(r"^\W*(?:and|but|so|then|what about|how about)\b", re.I)


def completed(question: str, earlier: Sequence[str], videos: int) -> str:
    """Return a question with what the earlier ones say for it.

    >>> completed("And in the second one?", ["Who adds salt in video 1?"], 2)
    'Who adds salt in video 2?'
    """
    for before in reversed(earlier):
        meant = _REFERENCE.sub(lambda found: _video(found, videos), question)
        rest = _PLACE.sub(" ", _LEAD.sub(" ", meant))
        if content_words(rest) or _ASKED.search(rest) or len(rest.split()) > MOST_WORDS:
            return meant
        places = " and ".join(f"video {found[1]}" for found in _NUMBER.finditer(meant))
        before = _REFERENCE.sub(lambda found: _video(found, videos), before)
        moved, count = _NUMBER.subn(places, before) if places else (before, 1)
        question = moved if count else f"{moved} In {places}."
    return numbered(question, videos)


def numbered(text: str, videos: int) -> str:
    """Return a text with the numbers of videos in place of their ordinals.

    >>> numbered("What is said in the last video?", 3)
    'What is said in video 3?'
    """
    return _ORDINAL.sub(lambda found: _video(found, videos), text)


def place_of(option: str, videos: int, *, bare: bool) -> int | None:
    """Return the video that an option names by its place in the list; None if it says anything else.

    Args:
        option: such as "the first", "clip two", "2" or "B".
        videos: number of videos.
        bare: whether the noun may be missing, because the question asks for a video.
    """
    found = _AT_PLACE.fullmatch(option.strip())
    if found is None or not (bare or found["noun"]):
        return None
    number = _place(found, videos)
    return number if 1 <= number <= videos else None


def _place(found: re.Match[str], videos: int) -> int:
    if found["ordinal"]:
        return _counted(found["ordinal"], videos)
    if found["digits"]:
        return int(found["digits"])
    word = (found["word"] or found["letter"]).casefold()
    return _COUNTED.index(word) + 1 if found["word"] else ascii_lowercase.index(word) + 1


def _video(found: re.Match[str], videos: int) -> str:
    number = _counted(found[1], videos)
    return f"video {number}" if number <= videos else found[0]


def _counted(ordinal: str, videos: int) -> int:
    word = ordinal.casefold()
    return videos if word == "last" else int(word[:-2]) if word[0].isdigit() else _ORDINALS.index(word) + 1
