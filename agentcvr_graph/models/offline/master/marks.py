"""What a question names, and the evidence must have.

**Marks** are exact: a text in quotation marks or capitals, a number, a name. The supporting statements must have them.
Other words are matched by their share, because a question and a statement word the same thing differently. A number or
a name has no other wording: a sign that reads EXIT 12 says nothing about EXIT 99, and a train to Boston nothing about
one to Denver. On-screen text may be read without its spaces, and a long word may be misread or misheard by a letter.

**Things** follow an article, "with" or "of" ("the salt", "with cream"). A share of the question's words is no proof if
the thing that it asks about was never seen or heard: a video in which onions come before rice says nothing about
saffron before rice. So every thing must be somewhere in the evidence, not only in the supporting statements. A verb may
be missing, because a statement has other words for it; so may words for places, for who speaks, for what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.asked import asked_noun
from agentcvr_graph.models.offline.master.language import (
    clauses,
    clock_minutes,
    content_words,
    day_of_year,
    digits,
    is_negated,
    may_be_misread,
    without_places,
    without_times,
    words_of,
)

_HALF_DAY = 720.0
_YEAR = 372.0
"""Days of a year as `day_of_year` counts them."""
_QUOTED = re.compile(r"[\"\u201c\u201e](.+?)[\"\u201d\u201c]|(?<!\w)['\u2018](.+?)['\u2019](?!\w)")
_TOKEN = re.compile(r"[^\W_]+")
_AFTER_PREPOSITION = re.compile(r"\b(?:to|from|in|at|near|of|for|named|called) ([^\W\d_]{3,})\b")
_SENTENCE = re.compile(r"(?:^|[.?!:]\s+)\W*")
_NAMED = re.compile(
    r"(?P<asks>\b(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|shall|should|may|might|must) )?"
    r"\b(?:the|an?|my|your|his|her|its|our|their|some|any|with|of) (?P<one>[a-z]+)(?: (?P<two>[a-z]+))?",
    re.I,
)
_VERB = re.compile(r"\w+(?:ing|ed)", re.I)
_EITHER = re.compile(r"\bor\b", re.I)
_UNSAID = stems(
    "narrator speaker voice presenter host person people somebody someone anybody view story film movie camera scene "
    "subtitle subtitles caption captions audio soundtrack moment beginning start middle end ending part side top "
    "bottom left right front back corner centre center way reason purpose topic subject thing things kind sort type "
    "rest use aim rule mistake earlier later place "
    "card cards poster posters wall board page label labels notice banner"
)
"""Words for which a statement has no word of its own: who speaks, where and when, what is asked, what is written on."""
_LONG = 4
"""Letters of a word that is found in on-screen text without its spaces."""


@dataclass(frozen=True)
class Marks:
    """What a text names exactly."""

    texts: tuple[str, ...] = ()
    """Texts in quotation marks or in capitals, as they are written."""
    numbers: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    time: float | None = None
    date: float | None = None

    def missing(self, statements: Sequence[str]) -> bool:
        """Return whether something that is named is in none of the statements."""
        return not (
            all(any(_has_text(text, one) for one in statements) for text in self.texts)
            and all(any(_has_word(name, one) for one in statements) for name in self.names)
            and all(any(number in words_of(one) for one in statements) for number in self.numbers)
            and (self.time is None or any(_same(self.time, clock_minutes(one), _HALF_DAY) for one in statements))
            and (self.date is None or any(_same(self.date, day_of_year(one), _YEAR) for one in statements))
        )


def marks_of(text: str) -> Marks:
    """Return what a question or an option names exactly.

    >>> marks_of("When does the train to Denver leave in the video with EXIT 12?").texts
    ('EXIT 12',)
    """
    text = without_places(text)
    texts = tuple(quoted for found in _QUOTED.findall(text) if _TOKEN.search(quoted := found[0] or found[1]))
    rest = _QUOTED.sub(" . ", text)
    capitals = tuple(_capitals(rest))
    for line in capitals:
        rest = rest.replace(line, " ", 1)
    timeless = without_times(rest)
    return Marks((*texts, *capitals), digits(timeless), tuple(_names(timeless)), clock_minutes(rest), day_of_year(rest))


def lacks_things(question: str, known: frozenset[str], statements: Sequence[str]) -> bool:
    """Return whether something that a question names is in none of the statements.

    Args:
        known: stems of words that need not be there.
        statements: all of the evidence.
    """
    squeezed = re.sub(r"[\W_]", "", " ".join(statements)).casefold()
    free = known | _UNSAID | stems(asked_noun(question))
    return any(
        not (len(word) >= _LONG and word in squeezed) and not any(_has_word(word, one) for one in statements)
        for word in things_in(question)
        if stems(word) - free
    )


def things_in(question: str) -> list[str]:
    """Return the words for things that a question names; none of a clause that denies or offers a choice.

    >>> things_in("Which cook adds the white wine with cream, and does the man sing or dance?")
    ['white', 'wine', 'cream']
    """
    named = [
        clause for clause in clauses(without_places(question)) if not is_negated(clause) and not _EITHER.search(clause)
    ]
    return [word.casefold() for clause in named for found in _NAMED.finditer(clause) for word in _thing_words(found)]


def _thing_words(found: re.Match[str]) -> Iterator[str]:
    """Yield the word after the article, and the next one unless it may be a verb."""
    for word in (found["one"], found["two"]):
        if not word or not content_words(word):
            return
        yield word
        if found["asks"] or (found["two"] and _VERB.fullmatch(found["two"])):
            return


def _capitals(text: str) -> Iterator[str]:
    """Yield the texts in capitals, with the numbers in them; none if everything is in capitals."""
    if text.isupper():
        return
    run: list[re.Match[str]] = []
    for token in [*_TOKEN.finditer(text), None]:
        if token and _is_capital(token[0]) and (not run or _is_near(text[run[-1].end() : token.start()])):
            run.append(token)
            continue
        if line := _line(text, run):
            yield line
        run = [token] if token and _is_capital(token[0]) else []


def _is_capital(word: str) -> bool:
    return word.isupper() or word.isdigit()


def _is_near(between: str) -> bool:
    return len(between) <= 3 and not re.search(r"[?!;,]|\. ", between)


def _line(text: str, run: Sequence[re.Match[str]]) -> str:
    """Return a run of capitals without the letters "A" and "I" before it; empty if it has no word of two letters."""
    while run and run[0][0] in {"A", "I"}:
        run = run[1:]
    written = any(len(token[0]) > 1 and token[0].isupper() for token in run)
    return text[run[0].start() : run[-1].end()] if written else ""


def _names(text: str) -> Iterator[str]:
    """Yield the words with a capital inside a sentence; none if a question is written like a title.

    Of a question without any capital, the words that follow a preposition at once, as a name does.
    """
    if text.islower():
        yield from (word for word in _AFTER_PREPOSITION.findall(text) if content_words(word))
    first = {found.end() for found in _SENTENCE.finditer(text)}
    for token in () if text.isupper() or _is_title(text) else _TOKEN.finditer(text):
        if token[0][0].isupper() and token.start() not in first and content_words(token[0]):
            yield token[0]


def _is_title(text: str) -> bool:
    """Return whether short words are written with a capital too, as in "Which Video Shows The Cat"."""
    asked = [word for word in _TOKEN.findall(text)[1:] if not content_words(word)]
    return bool(asked) and sum(word[0].isupper() for word in asked) * 2 > len(asked)


def _has_text(text: str, statement: str) -> bool:
    """Return whether a statement has a text word for word; spaces, marks and a letter of a long word may differ."""
    wanted = [word.casefold() for word in _TOKEN.findall(text)]
    said = statement.casefold()
    edges = r"(?<![^\W_])", r"(?![^\W_])"
    if re.search(edges[0] + r"[\W_]*".join(map(re.escape, wanted)) + edges[1], said):
        return True
    held = _TOKEN.findall(said)
    parts = (held[n : n + len(wanted)] for n in range(len(held) - len(wanted) + 1))
    return any(all(map(_is_same_word, wanted, part)) for part in parts)


def _has_word(word: str, statement: str) -> bool:
    """Return whether a statement has a name, or its stem, perhaps misread."""
    wanted, held = word.casefold(), _TOKEN.findall(statement.casefold())
    return bool(stems(word) & stems(statement)) or any(_is_same_word(wanted, one) for one in held)


def _is_same_word(word: str, other: str) -> bool:
    return word == other or (word.isalpha() and other.isalpha() and may_be_misread(word, other))


def _same(one: float, other: float | None, modulus: float) -> bool:
    """Return whether two times are the same, also if only one says the half of the day, or the year."""
    return other is not None and (one == other or (min(one, other) < modulus and one % modulus == other % modulus))
