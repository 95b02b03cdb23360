"""The answer kinds, and what the rest of the library asks of them.

To add a kind, write a module that makes an `AnswerSpec` and add it to `KINDS`: `KINDS[SPEC.name] = SPEC` from another
package, or a line in the tuple below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from string import ascii_uppercase
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.choice import CHOICE
from agentcvr_graph.answers.choices import CHOICES
from agentcvr_graph.answers.folding import shortened
from agentcvr_graph.answers.interval import INTERVAL
from agentcvr_graph.answers.keys import strict_key
from agentcvr_graph.answers.letters import MAX_OPTIONS
from agentcvr_graph.answers.number import NUMBER
from agentcvr_graph.answers.order import ORDER
from agentcvr_graph.answers.reading import read_text, read_value
from agentcvr_graph.answers.text import TEXT
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import Answer, AnswerKind, AnswerValue, Citation, QuestionKind

KINDS: dict[AnswerKind, AnswerSpec] = {
    spec.name: spec
    for spec in (
        CHOICE,
        CHOICES,
        ORDER,
        INTERVAL,
        NUMBER,
        TEXT,
    )
}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"unknown answer kind {kind!r}; choose one of: {', '.join(KINDS)}")
    return kind


def _known_or_auto(kind: str) -> str:
    return kind if kind == "auto" else _known(kind)


def _name_kinds(schema: dict[str, Any]) -> None:
    schema["enum"] = ["auto", *KINDS]


KnownKind = Annotated[AnswerKind, AfterValidator(_known)]
"""For fields of Pydantic models: the name of a registered kind."""
KnownQuestionKind = Annotated[QuestionKind, AfterValidator(_known_or_auto), Field(json_schema_extra=_name_kinds)]
"""As `KnownKind`, or `auto`; the JSON schema lists the kinds."""


def resolve_kind(kind: QuestionKind, options: Sequence[str]) -> AnswerKind:
    """Return the kind of answer to a question; `auto` means `choice` where there are options, else `text`.

    Raises:
        InputError: the kind is unknown, needs options and has none or takes none and has some, or there are
            more options than letters.
    """
    if kind == "auto":
        kind = "choice" if options else "text"
    spec = KINDS.get(kind)
    if spec is None:
        raise InputError(f"Unknown answer kind {kind!r}.", fix=f"Choose one of: auto, {', '.join(KINDS)}.")
    if spec.needs_options and len(options) < 2:
        raise InputError(
            f"A question of kind {kind!r} needs at least 2 options, and has {len(options)}.",
            fix="Add options, or choose kind 'text'.",
        )
    if options and not spec.takes_options:
        raise InputError(
            f"A question of kind {kind!r} takes no options, and has {len(options)}.",
            fix="Leave them out, or choose kind 'choice'.",
        )
    if len(options) > MAX_OPTIONS:
        raise InputError(
            f"{len(options)} options are more than there are letters.",
            fix=f"Give at most {MAX_OPTIONS} options.",
        )
    return kind


def repeated_options(options: Sequence[str]) -> list[str]:
    """Return the options that are given more than once, sorted; white space does not count, letter case does.

    >>> repeated_options(["red", "blue", "red "]), repeated_options(["Open", "OPEN"])
    (['red'], [])
    """
    counts = Counter(" ".join(option.split()) for option in options)
    return sorted(option for option, count in counts.items() if count > 1)


def check_options(options: Sequence[str]) -> None:
    """Check that no option is given twice.

    Raises:
        InputError: one is; the message names it.
    """
    if repeated := repeated_options(options):
        raise InputError(
            f"The option {shortened(repeated[0])} is given more than once.", fix="Give each option a text of its own."
        )


def parse_answer(
    raw: object,
    kind: AnswerKind,
    options: Sequence[str],
    n_items: int,
    *,
    rationale: str = "",
    citations: Sequence[Citation] = (),
) -> Answer:
    """Return the typed answer for what the master wrote as `value`.

    Args:
        n_items: how many things an `order` puts in order.

    Raises:
        ActionError: the value does not fit the kind; the message says what does.
    """
    with _typed_errors(kind):
        value = read_value(raw, KINDS[kind], options, n_items)
    return _typed(value, kind, options, rationale, citations)


def parse_reply(
    text: str,
    kind: AnswerKind,
    options: Sequence[str],
    n_items: int,
    *,
    rationale: str = "",
    citations: Sequence[Citation] = (),
) -> Answer:
    """Return the typed answer that a whole reply states.

    Args:
        n_items: how many things an `order` puts in order.

    Raises:
        ActionError: as `read_reply`.
    """
    value = read_reply(text, kind, options, n_items)
    return _typed(value, kind, options, rationale, citations)


def read_reply(text: str, kind: AnswerKind, options: Sequence[str], n_items: int) -> AnswerValue:
    """Return the value of the answer that a whole reply states: single pass, blind runs, prose of a small model.

    Args:
        n_items: how many things an `order` puts in order.

    Raises:
        ActionError: the reply states no plain answer of this kind; the message says what is wanted.
    """
    with _typed_errors(kind):
        return read_text(text, KINDS[kind], options, n_items)


def read_key(
    raw: object, kind: AnswerKind, options: Sequence[str], n_items: int, labels: Sequence[str] = ()
) -> AnswerValue:
    """Return the right answer that a data file states; nothing is guessed.

    Args:
        labels: what the file calls each option, if not A, B, ...

    Raises:
        InputError: the key has none of the exact forms of its kind, or is in doubt.
    """
    return strict_key(raw, KINDS[kind], options, n_items, labels)


def abstention(kind: AnswerKind, looked_for: str, rationale: str = "", *, looked: bool = True) -> Answer:
    """Return the typed answer that says that the videos do not show what the question asks for.

    >>> abstention("text", "a dog").text
    'No answer: looked for a dog, and found no evidence.'
    """
    wanted = looked_for.strip().rstrip(".") or "the answer to the question"
    done = (
        f"looked for {wanted}, and found no evidence"
        if looked
        else f"nothing was looked at or listened to for {wanted}"
    )
    text = f"No answer: {done}."
    return Answer(kind=kind, value=None, text=text, rationale=rationale, looked_for=wanted)


def _typed(
    value: AnswerValue, kind: AnswerKind, options: Sequence[str], rationale: str, citations: Sequence[Citation]
) -> Answer:
    text = answer_text(kind, value, options)
    return Answer(kind=kind, value=value, text=text, rationale=rationale, citations=tuple(citations))


@contextmanager
def _typed_errors(kind: AnswerKind) -> Generator[None]:
    try:
        yield
    except (ValueError, OverflowError, RecursionError) as error:  # numbers of thousands of digits, lists in lists
        raise ActionError(f"That is no answer of kind {kind!r}.") from error


def answer_text(kind: AnswerKind, value: AnswerValue, options: Sequence[str]) -> str:
    """Return the value in words, as `Answer.text` holds it."""
    return KINDS[kind].text(value, options)


def score_answer(kind: AnswerKind, value: AnswerValue, key: AnswerValue) -> float:
    """Return how right a value is, from 0 to 1.

    Exact for `choice`, `order` and `number`, as sets for `choices`, temporal IoU for `interval`, and `token_f1` for
    `text`.
    """
    return KINDS[kind].score(value, key)


def score_of(answer: Answer | None, key: AnswerValue) -> float:
    """Return the score of a run's answer against the key; 0 where there is no answer or an abstention.

    Evaluation, rewards and the report of the sim-to-real gap all score with this.
    """
    return 0.0 if answer is None or answer.value is None else score_answer(answer.kind, answer.value, key)


def option_labels(kind: AnswerKind, options: Sequence[str]) -> list[str]:
    """Return the label of each option: 1, 2, ... for things to put in order, A, B, ... for things to choose from."""
    if KINDS[kind].numbers_options:
        return [str(number) for number in range(1, len(options) + 1)]
    return list(ascii_uppercase[: len(options)])
