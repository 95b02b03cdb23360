"""The kind `choices`: the letters of all options that hold, sorted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import YES_MARKS, fold, plain, shortened, without_numbering
from agentcvr_graph.answers.letters import DeniedError, Mention, OptionSet, UnclearError, option_of, option_set
from agentcvr_graph.answers.phrases import DENIED
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.answers.verdicts import approved
from agentcvr_graph.errors import ActionError
from agentcvr_graph.types import AnswerValue

_RUN = re.compile(r"[A-Z]{2,26}|[a-z]{2,26}")
_RANGE = re.compile(r"\b[A-Z]\s*\.{2,}\s*[A-Z]\b")
_BETWEEN = re.compile(
    r"(?:[\s,;/|+&.\"'()\[\]]|->|\b(?:and|then|und|(?-i:y|e)|et|plus|also|as\s+well\s+as)\b|和|与|與|及|以及|と|과|와|и\b)*",
    re.I,
)
_OPENING = re.compile(
    r"(?:options?|answers?|letters?|choices?|both|the|all\s+of|only|just|namely|statements?|are|is|were|correct|right|true|[\s:(\[\"'=-])+",
    re.I,
)
_ENDING = re.compile(
    r"[\s.!)\]}\"'*;,]*(?:$|[(]|-\s|\b(?:because|since|as\b|are|is|were|hold|apply|match|fit|remain|both|only|all\b|true|correct|right|based|which|that"
    r"|options?|answers?|in\s+(?:the|both|all|video))\b|です|입니다)",
    re.I,
)
_DENIED = re.compile(
    r"\b(?:not|no|n't|wrong|incorrect|false|except|but|or|neither|nor|never|cannot|maybe|perhaps|possibl[ey]|unclear"
    r"|uncertain|unsure|doubtful|questionable|could|might|may|missing|absent)\b|n't\b",
    re.I,
)


def parse(raw: object, options: Sequence[str], n_items: int) -> list[str]:
    """Return the sorted letters of all options that are named.

    Raises:
        UnclearError: the text also names options that it leaves open or denies.
        ActionError: no option is named.
    """
    own = option_set(tuple(map(str, options)))
    if is_object(raw):
        return _some(approved(raw, own) or [])
    if is_list(raw):
        return _of_list(raw, own)
    if not isinstance(raw, str):
        raise ActionError(f"A list of letters is wanted, not {shortened(raw)}.")
    return _of_text(without_numbering(plain(fold(raw))), own)


def _of_list(items: Sequence[object], own: OptionSet) -> list[str]:
    if len(items) == len(own.options) and all(isinstance(item, bool) for item in items):
        return _some([letter for letter, holds in zip(own.letters, items, strict=True) if holds])
    if listed := approved(items, own):
        return listed
    letters: set[str] = set()
    for item in items:
        if str(item).strip():
            letters.update(_of_text(plain(fold(str(item))), own))
    return _some(sorted(letters))


def _some(letters: list[str]) -> list[str]:
    if not letters:
        raise ActionError("At least one letter is wanted.")
    return letters


def _of_text(text: str, own: OptionSet) -> list[str]:
    if not text:
        raise ActionError("At least one letter is wanted.")
    if _RANGE.search(text):
        raise UnclearError(f'{shortened(text)} leaves letters out; write all of them, as in ["A", "B"].')
    if letters := _run(text, own):
        return letters
    if found := own.exactly(text):
        return [found]
    listed = approved(text, own)
    if listed is not None:
        return _some(listed)
    return _listed(text, own)


def _run(text: str, own: OptionSet) -> list[str]:
    """Return the letters of "AC"; small letters must be in order, so that no word is taken for letters."""
    bare = text.strip(" .()[]\"'")
    if not _RUN.fullmatch(bare) or not set(bare.upper()) <= set(own.letters) or len(set(bare)) < len(bare):
        return []
    letters = sorted(bare.upper())
    return letters if bare.isupper() or letters == list(bare.upper()) else []


def _listed(text: str, own: OptionSet) -> list[str]:
    """Return the letters of a list of options, by letter or by text, with an explanation behind it at most."""
    letters: set[str] = set()
    opening = _OPENING.match(text)
    end, mention = 0, own.at(text, 0)
    if mention is None and opening:
        mention = own.at(text, opening.end())
    while mention is not None:
        letters.add(mention.letter)
        end = mention.end
        between = _BETWEEN.match(text, end)
        mention = _next(text, between.end(), own) if between and between.end() > end else None
    if not letters:
        raise own.unknown(text)
    rest = text[end:].rstrip(YES_MARKS)
    if DENIED.match(rest):
        raise DeniedError(f"{shortened(text)} says which options are wrong; write the letters of the right ones.")
    if not _ENDING.match(rest) or _DENIED.search(re.split(r"\b(?:because|since)\b|\.\s", rest)[0]):
        raise UnclearError(f'{shortened(text)} is not plainly a list of options; write the letters, as in ["A", "B"].')
    return sorted(letters)


def _next(text: str, start: int, own: OptionSet) -> Mention | None:
    """Return the next option of the list; not the subject of a new sentence: "A and C. B is not shown"."""
    mention = own.at(text, start)
    new_sentence = text[:start].rstrip().endswith((".", ";")) and re.match(
        r"\s+[a-z]", text[mention.end :] if mention else ""
    )
    return None if new_sentence else mention


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the options' texts, joined."""
    return "; ".join(option_of(letter, options) for letter in cast(list[str], value))


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same set of letters, else 0."""
    return float(set(cast(Sequence[str], value)) == set(cast(Sequence[str], key)))


CHOICES = AnswerSpec(
    name="choices",
    format='the letters of all options that hold, for example ["A", "C"]',
    parse=parse,
    text=text,
    score=score,
    schema=lambda labels, n_items: {
        "type": "array",
        "items": {"type": "string", "enum": [*labels]},
        "minItems": 1,
        "maxItems": len(labels),
    },
    needs_options=True,
    spans_lines=True,
    chance=lambda n_options, n_videos: 1 / (2**n_options - 1),
)
