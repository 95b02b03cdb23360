"""Order statements by relevance to the focus: those that share a word stem with it come first."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Protocol, cast

import snowballstemmer

from agentcvr_graph.types import Evidence

_WORD = re.compile(r"\w+")
_MIN_WORD_CHARS = 3


class _Stemmer(Protocol):
    """The method of snowballstemmer's stemmers that this module calls; the library itself is untyped."""

    def stemWord(self, word: str) -> str: ...


def focus_first(evidence: Sequence[Evidence], focus: str) -> tuple[Evidence, ...]:
    """Return the statements that share most stems with `focus` first; ties keep their order."""
    wanted = stems(focus)
    if not wanted:
        return tuple(evidence)
    return tuple(sorted(evidence, key=lambda said: -len(wanted & stems(said.text))))


@functools.lru_cache(maxsize=20_000)
def stems(text: str) -> frozenset[str]:
    """Return the English stems of the words of at least three characters, in lower case."""
    return frozenset(_stem(word) for word in _WORD.findall(text.lower()) if len(word) >= _MIN_WORD_CHARS)


@functools.lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return _english().stemWord(word)


def _english() -> _Stemmer:
    return cast(_Stemmer, snowballstemmer.stemmer("english"))  # pyright: ignore[reportUnknownMemberType]
