"""The words of queries and statements, as the full-text search compares them, and the parts of a query.

A question that compares videos describes each of them: "Which is older: the video in which a bride cuts a cake, or the
one in which a farmer holds a lamb?" It is cut where English begins another description. "and", "while", "before" and
the like join what is seen in one video, where all words together are the better query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agentcvr_graph.models.focus import stems

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)
"""Characters of scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
LEAST_WORDS = 2
"""Words of a part of a query, at least: a single one belongs to a list."""
_NEXT = "who|whom|whose|what|which|where|when|how|why|the one|one|another|in another"
_CUT = (
    r"[.?!:;]+(?:\s|$)|,(?!\d)|\s[-\u2013\u2014]\s|\b(?:or|but|whereas|than|versus|vs)\b"
    rf"|\band (?=(?:{_NEXT})\b)"
)
_DESCRIPTIONS = re.compile(rf'"[^"]*"|(?P<cut>{_CUT})', re.IGNORECASE)
_CLAUSES = re.compile(rf'"[^"]*"|(?P<cut>{_CUT}|\b(?:in which|where)\b)', re.IGNORECASE)
_COMMON_TEXT = """
a an and are as at be been but by can did do does during each every find for from had has have he her his how if in into
is it its me most not of on one only or other out she show shown shows so than that the their them then there they this
to up video videos was we were what when where which while who whom whose why will with would you your
"""
_COMMON = frozenset(_COMMON_TEXT.split())
"""Words that most questions contain and that say nothing about a video."""


def query_words(query: str) -> list[str]:
    """Return the words of a query that say something, each once; all of its words if none does.

    >>> query_words("Which cook adds the SALT, the sea salt?")
    ['cook', 'adds', 'salt', 'sea']
    """
    return telling_words(query) or _words(query)


def telling_words(query: str) -> list[str]:
    """Return the words of a query that say something, each once."""
    return [word for word in _words(query) if word not in _COMMON]


def descriptions(query: str) -> list[str]:
    """Return the parts of a query that may be descriptions of different videos. What is quoted is not cut.

    >>> descriptions("Which is older: the video in which a bride cuts a cake, or the one in which a dog barks?")
    ['the video in which a bride cuts a cake', 'the one in which a dog barks']
    """
    return _parts(query, _DESCRIPTIONS)


def clauses(query: str) -> list[str]:
    """Return the parts of a query with what it asks and what it describes apart.

    >>> clauses("Which word is on the card in the video in which a bride cuts a cake?")
    ['Which word is on the card in the video', 'a bride cuts a cake']
    """
    return _parts(query, _CLAUSES)


def _parts(query: str, pattern: re.Pattern[str]) -> list[str]:
    cuts = [found.span("cut") for found in pattern.finditer(query) if found["cut"]]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(query)]
    parts = [query[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return [part for part in parts if len(telling_words(part)) >= LEAST_WORDS]


def _words(query: str) -> list[str]:
    return list(dict.fromkeys(word.casefold() for word in _WORD.findall(query)))


def begins_a_word(word: str) -> Callable[[str], bool]:
    """Return a test whether a case-folded text has a word that begins with the stem of this one.

    That is near enough to the stems of the search.
    """
    stem = next(iter(stems(word)), word).casefold()
    pattern = re.compile(rf"\b{re.escape(stem)}")
    return lambda text: stem in text and pattern.search(text) is not None  # most texts do not contain it at all


def spaced(text: str) -> str:
    """Return a text with a space around each character of a script that separates no words, so that each is a word."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def expression(words: Sequence[str]) -> str:
    """Return the FTS5 query for any of the words. In quotation marks they are no operators; several are a phrase."""
    return " OR ".join(f'"{spaced(word).strip()}"' for word in words)
