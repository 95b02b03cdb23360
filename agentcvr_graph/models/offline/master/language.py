"""The offline master's English: word stems, clauses, negation, clock times, dates and small numbers."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from agentcvr_graph.models.focus import stems

# Stop words: words that questions use, and that carry no content.
LONG_WORD = 5
"""Letters from which a word can be told from another one although a letter differs."""
MISREAD_ALIKE = 0.8
"""Smallest similarity of a long word and its misreading."""
MOST_MISSING = 2
"""Largest difference of their lengths, in letters."""
_QUESTION_WORDS = stems(
    "which what when where who whose how many much does did the and that this these those they them their there with "
    "from into for about video videos clip clips cook cooks person people show shows shown see seen say says said tell "
    "tells told mention mentions mentioned speak speaks hear heard talk talks announce announces interval window "
    "second seconds time times between during while following option options answer correct order first last before "
    "after one two three four five six his her its our your are was were has have had been being will would can could "
    "should not never without also each every other same different both all any some only then than "
    "but thanks thank please hello compare"
)
_CLAUSE = re.compile(r"\s*(?:,(?!\d{3})|;|\bbut\b|\bwhile\b|\band\b)\s*", re.I)
_NEGATION = re.compile(r"\b(?:not|never|no|without|n't|doesn't|does not|nobody|none)\b", re.I)
_PURPOSE = re.compile(r"\b(?:purpose|reason|why|good for|function|in order to)\b", re.I)
_SAYING = re.compile(
    r"\b(?:say|says|said|tell|tells|told|mention\w*|named|speak\w*|hear\w*|talk\w*|announce\w*)\b", re.I
)
_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
NUMBER_WORDS = {word: n for n, word in enumerate(_COUNTING.split())}
_HOUR = "|".join([*list(NUMBER_WORDS)[1:13], r"1[0-2]|[1-9]"])
_MINUTE = "|".join(["quarter", "half", "twenty five", *NUMBER_WORDS, r"\d{1,2}"])
_SPOKEN = re.compile(rf"\b(?:a )?({_MINUTE})(?: minutes)? (past|to) ({_HOUR})\b", re.I)
_OCLOCK = re.compile(rf"\b({_HOUR}) o'?\s?clock\b", re.I)
_DIGITAL = re.compile(r"(?<![\d:.])([01]?\d|2[0-3])[:.]([0-5]\d)(?![\d:])\s*([ap]\.?m)?", re.I)
_COUNTED = re.compile(
    rf"\b(?:step|part|day|row|chapter|lesson|scene|no\.?|number)\s*(?:number\s*)?#?\s*(\d+|{'|'.join(NUMBER_WORDS)})\b",
    re.I,
)
_DIGITS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.])\d{1,15}(?:\.\d+)?(?!\d)")
_PLACES = re.compile(
    r"\b(?:videos?|clips?|recordings?|options?) ?#?\d+(?:(?:, ?| and | or | to | ?- ?)(?:video )?\d+)*\b"
    r"|\b\d+ (?:videos|clips|recordings|options|words|sentences)\b"
    r"|\b(?:(?:at|from|between) )?\d+(?:\.\d+)? ?(?:s\b|seconds\b)? ?(?:-|to|and|until) ?\d+(?:\.\d+)? ?(?:s|seconds)\b"
    r"|\b(?:at|from|after|before|until|around) \d+(?:\.\d+)? ?(?:s|seconds)\b|\b\d+(?:\.\d+)? s\b",
    re.I,
)
_MONTHS = [name.lower() for name in calendar.month_name[1:]]
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" for month in _MONTHS)
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DATE = re.compile(rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})|({_MONTH}) (\d{{1,2}}))\b", re.I)


def content_words(text: str) -> frozenset[str]:
    """Return the stems of a text that carry content."""
    return stems(text) - _QUESTION_WORDS


def key_words(text: str) -> frozenset[str]:
    """Return the content words of a question with its numbers, without those of videos and of times in them."""
    return content_words(text) | digits(without_times(without_places(text)))


def words_of(text: str) -> frozenset[str]:
    """Return the stems of a statement, and its numbers in digits and as words.

    >>> sorted(words_of("item 7"))
    ['7', 'item', 'seven']
    """
    spoken = {word for word in re.findall(r"[a-z]+", text.lower()) if word in NUMBER_WORDS} - {"one"}
    written = digits(text)
    spelled = " ".join(word for word, n in NUMBER_WORDS.items() if str(n) in written)
    return stems(text) | written | stems(spelled) | {str(NUMBER_WORDS[word]) for word in spoken}


def digits(text: str) -> frozenset[str]:
    """Return the numbers that a text has in digits, also beside letters: on-screen text may be read without spaces.

    >>> sorted(digits("EXIT12, room 7, 1,000 g, 4.50 m"))
    ['1000', '12', '4.5', '7']
    """
    return frozenset(f"{float(number.replace(',', '')):.10g}" for number in _DIGITS.findall(text))


def without_places(text: str) -> str:
    """Return a text without numbers that name videos, windows and lengths of answers, and not what happens there."""
    return _PLACES.sub(" ", text)


def clauses(question: str) -> list[str]:
    """Return the clauses of a question. A part without content words joins the one before it."""
    parts: list[str] = []
    for part in _CLAUSE.split(question):
        if parts and not content_words(part):
            parts[-1] += " " + part
        elif part:
            parts.append(part)
    return parts or [question]


def is_negated(clause: str) -> bool:
    """Return whether a clause contains a negation."""
    return _NEGATION.search(clause) is not None


def is_about_speech(clause: str) -> bool:
    """Return whether a clause is about what is said."""
    return _SAYING.search(clause) is not None


def is_about_purpose(text: str) -> bool:
    """Return whether a text asks for a purpose, which is usually said and rarely visible."""
    return _PURPOSE.search(text) is not None


def clock_minutes(text: str) -> float | None:
    """Return the first time of day in a text, written or spoken, in minutes after midnight.

    >>> clock_minutes("it is a quarter to eight in the morning")
    465.0
    """
    found = [*_digital(text), *_spoken(text), *_oclock(text)]
    if not found:
        return None
    afternoon = re.search(r"\b(?:afternoon|evening|tonight|night)\b", text, re.I) is not None
    _, minutes = min(found)
    return minutes + 720 if afternoon and minutes < 720 else minutes


def day_of_year(text: str) -> float | None:
    """Return the first date in a text as a number that grows with time; the year counts if it is given."""
    iso = _ISO_DATE.search(text)
    if iso:
        return int(iso[1]) * 372.0 + int(iso[2]) * 31 + int(iso[3])
    named = _DATE.search(text)
    if named is None:
        return None
    month = (named[2] or named[3]).lower()[:3]
    number = next(n for n, name in enumerate(_MONTHS, start=1) if name.startswith(month))
    return number * 31.0 + int(named[1] or named[4])


def without_times(text: str) -> str:
    """Return a text without its times of day and dates, which `clock_minutes` and `day_of_year` read."""
    for pattern in (_ISO_DATE, _DATE, _DIGITAL, _SPOKEN, _OCLOCK):
        text = pattern.sub(" ", text)
    return text


def counted(text: str) -> float | None:
    """Return the number in a phrase such as `step 3` or `day two`."""
    match = _COUNTED.search(text)
    return float(_number(match[1])) if match else None


def numbers(text: str) -> list[tuple[int, float]]:
    """Return every number in a text, in digits or as a word up to twenty, with the position of its word."""
    found: list[tuple[int, float]] = []
    for position, word in enumerate(re.findall(r"\w+(?:\.\d+)?", text.lower())):
        if re.fullmatch(r"\d+(?:\.\d+)?", word):
            found.append((position, float(word)))
        elif word in NUMBER_WORDS:
            found.append((position, float(NUMBER_WORDS[word])))
    return found


def _digital(text: str) -> Iterator[tuple[int, float]]:
    for match in _DIGITAL.finditer(text):
        hour, minute, half = int(match[1]), int(match[2]), (match[3] or "").lower()
        if half:
            hour = hour % 12 + (12 if half.startswith("p") else 0)
        yield match.start(), hour * 60.0 + minute


def _spoken(text: str) -> Iterator[tuple[int, float]]:
    for match in _SPOKEN.finditer(text):
        minute = {"quarter": 15, "half": 30, "twenty five": 25}.get(match[1].lower(), _number(match[1]))
        hour = _number(match[3]) % 12
        yield match.start(), hour * 60.0 + (minute if match[2].lower() == "past" else -minute)


def _oclock(text: str) -> Iterator[tuple[int, float]]:
    for match in _OCLOCK.finditer(text):
        yield match.start(), _number(match[1]) % 12 * 60.0


def _number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBER_WORDS.get(word.lower(), 0)


def may_be_misread(word: str, other: str) -> bool:
    """Return whether two long words differ by no more than a misreading.

    >>> may_be_misread("telescope", "telesc0pe")
    True
    """
    if min(len(word), len(other)) < LONG_WORD or abs(len(word) - len(other)) > MOST_MISSING:
        return False
    return SequenceMatcher(None, word, other, autojunk=False).ratio() >= MISREAD_ALIKE
