"""What a question names with an article or after a preposition ("the salt", "with cream"): the evidence must have it.

A share of the question's words is no proof if the thing that it asks about was never seen or heard: a video in which
onions come before rice says nothing about saffron before rice. So every such word must be somewhere in the evidence,
not only in the statements that support the answer. A verb may be missing, because a statement has other words for it;
so may words for places, for who speaks and for what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentcvr_graph.models.focus import stems
from agentcvr_graph.models.offline.master.asked import asked_noun
from agentcvr_graph.models.offline.master.language import clauses, content_words, is_negated, without_places
from agentcvr_graph.models.offline.master.marks import has_word

_NAMED = re.compile(
    r"(?P<asks>\b(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|shall|should|may|might|must) )?"
    r"\b(?:the|an?|my|your|his|her|its|our|their|some|any|with|of) (?P<one>[a-z]+)(?: (?P<two>[a-z]+))?",
    re.I,
)
_VERB = re.compile(r"\w+(?:ing|ed)", re.I)
_EITHER = re.compile(r"\bor\b", re.I)
_ANY = stems(
    "narrator speaker voice presenter host person people somebody someone anybody view story film movie camera scene "
    "subtitle subtitles caption captions audio soundtrack moment beginning start middle end ending part side top "
    "bottom left right front back corner centre center way reason purpose topic subject thing things kind sort type "
    "rest use aim rule mistake earlier later place "
    "card cards poster posters wall board page label labels notice banner"
)
"""Words for which a statement has no word of its own: who speaks, where and when, what is asked, what is written on."""
_LONG = 4
"""Letters of a word that is found in on-screen text without its spaces."""


def lacks_things(question: str, known: frozenset[str], statements: Sequence[str]) -> bool:
    """Return whether something that a question names is in none of the statements.

    Args:
        known: stems of words that need not be there.
        statements: all of the evidence.
    """
    squeezed = re.sub(r"[\W_]", "", " ".join(statements)).casefold()
    free = known | _ANY | stems(asked_noun(question))
    return any(
        not (len(word) >= _LONG and word in squeezed) and not any(has_word(word, one) for one in statements)
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
    return [word.casefold() for clause in named for found in _NAMED.finditer(clause) for word in _words(found)]


def _words(found: re.Match[str]) -> Iterator[str]:
    """Yield the word after the article, and the next one unless it may be a verb."""
    for word in (found["one"], found["two"]):
        if not word or not content_words(word):
            return
        yield word
        if found["asks"] or (found["two"] and _VERB.fullmatch(found["two"])):
            return
