"""The kind `choice`: the letter of one option."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

from agentcvr_graph.answers import phrases
from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, same_form, shortened
from agentcvr_graph.answers.letters import (
    DeniedError,
    Mention,
    OptionSet,
    RivalError,
    UnclearError,
    option_of,
    option_set,
)
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.answers.verdicts import approved
from agentcvr_graph.answers.yes_no import leading_particle
from agentcvr_graph.types import AnswerValue

_AFTER_LABEL = re.compile(
    r"[\s\"')\]}]*(?:$|[.,:;=!)\]}(\[/|\n-]|\d+(?:\.\d+)?\s*%|[^\x00-\x7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
    rf"|{phrases.LABEL_SUFFIX})"
    r"|\s+(?:because|since|as|is|was|would|seems?|fits?|matches|shows?|has|had|does|did|best|based|due|given|for|from|in|if"
    r"|which|that|who|it|i|the|this|he|she|they|where|when|while|although|rather|only|alone|must|should|can|could"
    r"|looks|being|works|instead|holds|applies|remains|stands|and|or|with|but|so|then|nor)\b",
    re.I,
)
_AFTER_TEXT = re.compile(r"[\s.!;)\]}\"'*]*$|\s*[.;!\n(:]|(?:です|だ|である|입니다|이다|か?と)")
_JOINED = re.compile(r"\s*,?\s*(?:\band\b|\bor\b|\bnor\b|&|/)\s*|\s*,\s*(?=[A-Z]\s*(?:,|and\b|or\b|nor\b))")
_SIGN = re.compile(
    r"\s*[.:=,]?\s*(?:(?:i\.?e\.?|that\s+is|namely|meaning|which\s+(?:says|states|is))(?!\w)[.,:]?\s*(?:that\s+)?)?",
    re.I,
)
_PARTLY = re.compile(r"[^.;!?\n]{0,80}\bbut\s+(?:not|never|only)\b", re.I)
_PARTICLE = re.compile(
    r"(?:[,.;:]\s*|\b(?:so|but|and|then|wait)[,\s]+)(?P<said>yes|no)(?=\s*(?:$|[.,;!?]|\b(?:for|in)\b))", re.I
)
_CLAUSE = re.compile(r"[,.;:(]\s+")
_OR = re.compile(r"\s*[,(]?\s*(?:or\b|and/or\b)")
_RANGE = re.compile(r"\s*(?:-|to\b|through\b|->)\s*(?=[A-Z]\b)")
_TAIL = re.compile(
    r"(?:\((?:option\s+)?|\boption\s+\(?|[,:=]\s*\(?|->\s*\(?|\bi\.?e\.?,?\s+|\bnamely,?\s+)([A-Z])[\s.)!\"']*$", re.I
)
_DOUBT = re.compile(
    r"\b(?:not|n't|no|or|neither|nor|except|unless|if|whether|wrong|incorrect|least|second\s+best|worst|unlikely|eliminat\w*|exclud\w*"
    r"|reject\w*|discard\w*|ruled\s+out|distractors?|examples?|format|template|shown|seen|only\s+in)\b|n't\b|\?|[不非错錯]|排除",
    re.I,
)
_HYPOTHETIC = re.compile(r".*\bwould\b.*", re.I | re.S)
_IF = re.compile(r"[^.;!?\n]{0,60}\bif\b(?!\s+(?:i|we|you|one)\b)", re.I)
_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z']|\s+[a-z])")
_STEPS = 8
"""Denied options that are passed over in one statement."""


def parse(raw: object, options: Sequence[str], n_items: int) -> str:
    """Return the letter of the one option that is named.

    Raises:
        UnclearError: several options are named, or one is denied.
        ActionError: none is named.
    """
    own = option_set(tuple(map(str, options)))
    if is_list(raw):
        items = raw
        listed = approved(items, own)
        if listed and len(listed) == 1:
            return listed[0]
        if len(items) == 2 and (both := _letter_and_text(items, own)):
            return both
        if len(items) != 1:
            raise UnclearError(f"One letter is wanted, not {len(items)}.")
        return parse(items[0], options, n_items)
    if is_object(raw):
        return _one_of(raw, own)
    if isinstance(raw, bool) and own.asks_yes_or_no:
        raw = "yes" if raw else "no"
    return _statement(plain(fold("" if raw is None else str(raw))), own)


def _letter_and_text(items: Sequence[object], own: OptionSet) -> str | None:
    """Return the option of ["B", "a blue ball"], which names it twice."""
    one, other = (plain(fold(str(item))) for item in items)
    letter = own.exactly(one)
    return letter if same_form(one) != same_form(other) and letter == own.exactly(other) else None


def _one_of(raw: Mapping[object, object], own: OptionSet) -> str:
    """Return the letter in {"B": "a blue ball"} or {"A": false, "B": true}."""
    letters = approved(raw, own) or []
    if len(letters) != 1:
        is_letters = all(str(name).strip().upper() in own.forms for name in raw)
        raise own.unclear(str(dict(raw))) if letters or (raw and is_letters) else own.unknown(str(dict(raw)))
    return letters[0]


def _statement(text: str, own: OptionSet) -> str:
    found = own.exactly(text)
    if found:
        return found
    listed = approved(text, own)
    if listed is not None and len(listed) != 1:
        raise own.unclear(text)
    if listed:
        return listed[0]
    if "\n" in text:
        raise own.unknown(text)
    return _stated(text, own)


def _stated(text: str, own: OptionSet) -> str:
    """Return the option that a statement of one line names."""
    start, denied = 0, False
    for _ in range(_STEPS):
        start, negated = _skip(text, start, own)
        mention = _mention(text, start, own)
        if mention is None:
            break
        rest = text[mention.end :]
        if rest.lstrip(" \"')]*.").startswith("?"):
            break
        last = _denied_with(text, mention, own)
        negated = negated or _HYPOTHETIC.fullmatch(text, 0, mention.end) is not None and _IF.match(rest) is not None
        if not negated and not last:
            _require_alone(text, mention, own)
            return mention.letter
        denied = True
        end = phrases.CLAUSE_END.search(text, last or mention.end)
        if end is None:
            break
        start = end.end()
    if denied:
        raise DeniedError(
            f"{shortened(text)} says which option is wrong; write the letter of the right one, {own.span}."
        )
    return _tail(text, own)


def _denied_with(text: str, mention: Mention, own: OptionSet) -> int:
    """Return where the last option ends that is denied with this one ("both A and C are wrong"); 0 if none is."""
    end = mention.end
    for _ in range(_STEPS):
        if phrases.DENIED.match(text, end):
            return end
        link = _JOINED.match(text, end)
        other = own.at(text, link.end()) if link else None
        if other is None:
            return 0
        end = other.end
    return 0


def _skip(text: str, start: int, own: OptionSet) -> tuple[int, bool]:
    """Return where the words that carry no answer end, and whether one of them denies what follows."""
    negated = False
    while _mention(text, start, own) is None:
        if match := phrases.NOT.match(text, start):
            negated = True
        elif (match := phrases.FILLER.match(text, start)) is None:
            break
        start = match.end()
    return start, negated


def _mention(text: str, start: int, own: OptionSet) -> Mention | None:
    """Return the option named at a position, if what follows it does not make it a part of something else."""
    if own.asks_yes_or_no and (said := leading_particle(text[start:])):
        letter = own.exactly(said[0])
        return Mention(letter, start + said[1], by_text=True) if letter else None
    mention = own.at(text, start)
    if mention is None:
        return None
    rest = text[mention.end :]
    if phrases.DENIED.match(rest) or rest.lstrip().startswith("?"):
        return mention
    if mention.by_text:
        fits = _AFTER_TEXT.match(rest) or phrases.REASON.match(rest) or _equal(text, mention.end, own)
    else:
        fits = _AFTER_LABEL.match(rest)
    return mention if fits else None


def _equal(text: str, start: int, own: OptionSet) -> Mention | None:
    """Return the option that follows as an equal of the one before."""
    link = phrases.ALTERNATIVE.match(text, start)
    return own.at(text, link.end()) if link and link.end() > start else None


def _require_alone(text: str, mention: Mention, own: OptionSet) -> None:
    """Raise `UnclearError` where another option follows as an equal, or in a bracket."""
    if not mention.by_text and (_RANGE.match(text, mention.end) or _OR.match(text, mention.end)):
        raise own.unclear(text)
    other = _equal(text, mention.end, own)
    if other is None and (dot := _SIGN.match(text, mention.end)):
        other = own.at(text, dot.end())
        if other and not phrases.ENDS.match(text, other.end):
            other = None
        if other and other.letter != mention.letter and dot[0].strip(" .:=,"):
            raise RivalError(own.unclear(text).message)
    if _has_second_thought(text, mention, own):
        raise RivalError(own.unclear(text).message)
    if mention.by_text and (_PARTLY.match(text, mention.end) or _says_both(text, mention, own)):
        raise own.unclear(text)
    if other and other.letter != mention.letter and not phrases.DENIED.match(text, other.end):
        raise own.unclear(text)


def _has_second_thought(text: str, mention: Mention, own: OptionSet) -> bool:
    """Return whether another option is set against this one: "A seems right, but B is better", "A. C fits too"."""
    against = (own.at(text, match.end()) for match in phrases.SECOND_THOUGHT.finditer(text, mention.end))
    clauses = (own.at(text, match.end()) for match in _CLAUSE.finditer(text, mention.end))
    others = [
        *(other for other in against if other and not phrases.DENIED.match(text, other.end)),
        *(other for other in clauses if other and phrases.ALSO.match(text, other.end)),
    ]
    return any(other.letter != mention.letter for other in others)


def _says_both(text: str, mention: Mention, own: OptionSet) -> bool:
    """Return whether an answer to a question of yes and no says both: "Yes for video 1, no for video 2"."""
    said = (own.exactly(match["said"]) for match in _PARTICLE.finditer(text, mention.end))
    return own.asks_yes_or_no and any(letter != mention.letter for letter in said)


def _tail(text: str, own: OptionSet) -> str:
    """Return the option that a statement ends with: "the option with two dogs (C)"."""
    match = _TAIL.search(text)
    letter = match[1].upper() if match else ""
    if not letter or letter not in own.letters or _DOUBT.search(text):
        raise own.unknown(text)
    if (own.named_in(text) | set(_LETTER.findall(text)) & set(own.letters)) - {letter}:
        raise own.unclear(text)
    return letter


def text(value: AnswerValue, options: Sequence[str]) -> str:
    """Return the option's text."""
    return option_of(cast(str, value), options)


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same letter, else 0."""
    return float(str(value).strip().casefold() == str(key).strip().casefold())


CHOICE = AnswerSpec(
    name="choice",
    format='the letter of one option, for example "B"',
    parse=parse,
    text=text,
    score=score,
    schema=lambda labels, n_items: {"type": "string", "enum": [*labels]},
    needs_options=True,
    spans_lines=True,
    chance=lambda n_options, n_videos: 1 / n_options,
)
