"""How questions about tours are worded: some hundred templates a task, split between training and held-out questions.

A grammar is a row of parts with alternatives; a template is one alternative of each. Which questions may use a template
follows from a digest of its text alone, so the split needs no list, and no template is ever on both sides.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import re
from collections.abc import Sequence

from agentcvr_graph.scripts.generators.procedural.base import Phrasing, fill
from agentcvr_graph.scripts.generators.procedural.tours.words import Term

Grammar = Sequence[Sequence[str]]
HELD_OUT_OF = 4
"""One template of so many is held out."""


def phrasing_of(template: str) -> Phrasing:
    """Return the questions that may use a template."""
    digest = hashlib.blake2b(template.encode(), digest_size=4).digest()
    return "held-out" if int.from_bytes(digest, "big") % HELD_OUT_OF == 0 else "training"


class Phrasings:
    """The templates of one task.

    Args:
        terms: for each field of the templates, what it may name.
    """

    def __init__(self, terms: dict[str, Sequence[Term]], *grammars: Grammar) -> None:
        self._terms = terms
        self.templates = tuple("".join(parts) for grammar in grammars for parts in itertools.product(*grammar))

    @functools.cached_property
    def _by_phrasing(self) -> dict[Phrasing, list[str]]:
        found: dict[Phrasing, list[str]] = {"training": [], "held-out": []}
        for template in self.templates:
            found[phrasing_of(template)].append(template)
        return found

    def of(self, phrasing: Phrasing) -> Sequence[str]:
        """Return the templates that training or held-out questions may use."""
        return self._by_phrasing[phrasing]

    def ask(self, rng: random.Random, phrasing: Phrasing, **terms: Term) -> str:
        """Return a question in random words; each term gets one of its names."""
        template = rng.choice(self.of(phrasing))
        return fill(template, **{field: rng.choice(term.names) for field, term in terms.items()})

    def read(self, question: str) -> dict[str, Term]:
        """Return the terms that a question names.

        Raises:
            ValueError: the question is of another task.
        """
        for pattern in self._patterns:
            if match := pattern.fullmatch(question):
                return {field: self._named[field, name.lower()] for field, name in match.groupdict().items()}
        raise ValueError(f"not a question of this generator: {question!r}")

    @functools.cached_property
    def _named(self) -> dict[tuple[str, str], Term]:
        return {
            (field, name.lower()): term for field, terms in self._terms.items() for term in terms for name in term.names
        }

    @functools.cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        slots = {
            field: f"(?P<{field}>{'|'.join(re.escape(name) for term in terms for name in term.names)})"
            for field, terms in self._terms.items()
        }
        return [re.compile(_escaped(template).format(**slots), re.IGNORECASE) for template in self.templates]


def _escaped(template: str) -> str:
    """Return a template as a regular expression, its fields as they were."""
    return re.sub(r"\\\{(\w)\\\}", r"{\1}", re.escape(template))
