"""The kind `text`: a short free text, scored by the words it shares with the key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.shapes import is_list
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

_IGNORED = re.compile(r"\b(?:a|an|the)\b|[^\w\s]")


def parse(raw: object, options: Sequence[str], n_items: int) -> str:
    """Return the text without surrounding white space; the items of a list are joined."""
    if is_list(raw):
        raw = "; ".join(str(item).strip() for item in raw)
    text = str(raw).strip() if raw is not None else ""
    if not text:
        raise ActionError("The answer is empty.")
    return text


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return `token_f1`."""
    return token_f1(str(value), str(key))


def token_f1(value: str, key: str) -> float:
    """Return the harmonic mean of precision and recall of words, without case, punctuation and articles (SQuAD's F1).

    It needs no judge, gives credit for part of an answer, and none for naming everything.

    >>> token_f1("The onions, for her boss", "onions; for my boss")
    0.75
    """
    one, other = (Counter(_IGNORED.sub(" ", text.casefold()).split()) for text in (value, key))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


TEXT = AnswerSpec(name="text", format="a short text", parse=parse, score=score, takes_any_text=True)
