"""One reader for what models write: a value from a tool call or JSON, or a whole reply.

    thoughts removed -> explicit statements, the last first -> the whole text -> its short lines -> hints

Each place is read by the kind's own `parse`. A place that names no answer is passed over; a place that names an answer
but not plainly one (two options, a denied one, two numbers) ends the reading with an error that says what is wanted.
Single pass, the blind baseline, the graph and training all read with this, so that no method has an advantage.

A value and a whole reply differ in two points. A value may not be prose about "I" where "I" is itself an option's
letter, because the master can write it again. And free text is a value as it stands, while of a reply only what its
last "Answer:" introduces counts.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import MAX_CHARS, fold, plain, shortened
from agentcvr_graph.answers.letters import DeniedError, RivalError, UnclearError, option_set
from agentcvr_graph.answers.markers import HELD, Marked, Statement, find_hints, find_statements, is_taken_back, take_out
from agentcvr_graph.answers.phrases import VERDICT
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.answers.verdicts import VERDICT_FIELDS, field_name, has_verdict
from agentcvr_graph.errors import ActionError
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.types import AnswerValue

ANSWER_FIELDS = (
    "answer finalanswer correctanswer predictedanswer youranswer 答案 respuesta réponse antwort ответ correctoption"
    " selectedoption choice selected option letter selection value order correctorder sequence interval timeinterval"
    " timespan segment number count total choices answers letters options prediction predicted result label response"
    " output content text arguments parameters params args input"
)
"""Fields of an object that hold the answer, without case and signs; earlier ones win."""
_NAMING_FIELDS = frozenset((*ANSWER_FIELDS.split(), "answertext", "optiontext", "answerletter", "description"))
"""Fields that name the option of an answer, by letter or by text; they must agree."""
_OTHER_FIELD = re.compile(
    r"incorrect|wrong|\bnot\b|reject|eliminat|exclud|discard|absent|missing|unlikely|worst|least|reference|ref_segment"
    r"|confidence|probability|certainty|^(?:videos?|clips?|frames?|num_frames|fps|duration|duration_s|turns?|steps?|id)$",
    re.I,
)
"""Names of fields that hold no answer, even where an object has no other field."""
_RATIONALE = re.compile(
    r"^[ \t>*#_(-]*(?:explanations?|reason(?:ing|s)?|rationale|justification|because|why|analysis|evidence"
    r"|notes?|confidence|解释|理由|分析|说明|説明)\s*[:\n].*",
    re.I | re.M | re.S,
)
_SHORT_WORDS = 5
"""A line of at most so many words may be an answer without a marker."""
_CUT = re.compile(
    r",?\s+(?:because|since|as\s+(?:the|it|there|in|we|he|she|they|this|shown|seen)|given\s+that|based\s+on|according\s+to|which|where|while)\b"
    r"|(?<=\w\w)[.!]\s+(?=\S)|(?<=\d)\.\s+(?=[A-Z])|[.;!]\s+(?=[A-Z]\s+(?:is|was|are|does|did|has|can)\b)|\s+-\s+(?=[A-Z]?[a-z]{2,})"
)
MAX_LINES = 30
"""Longer replies without an explicit statement are reasoning, whose hints are not its end."""
_BARE = re.compile(
    r"[\s\"'(\[]*(?:[Oo]ption\s+)?(?:[A-Z][)\]\"']*|[-+]?\d[\d.,:]*\s*s?(?:\s*(?:->|-|,|to)\s*\d[\d.,:]*\s*s?)*)[.!\"')\]]*"
    r"(?:(?<=[.)\]])\s+[^\n]{1,200}|\s+(?:because|since|is\s+(?:the\s+)?(?:correct|right))\b[^\n]{0,200})?"
)
"""A letter or numbers alone; behind a letter with a sign, its text or a reason."""
_EVIDENCE = re.compile(
    r"^[ \t>*-]*(?:\[(?:video \d+, [\d.]+-[\d.]+ s|all windows)\][ \t]+\S|(?:seen|heard|note|left|error): ).*$", re.M
)
"""A line of an observation, as `render.py` writes it."""
_QUOTATION = re.compile(r'(?<![A-Za-z0-9])"(?=\S)([^"\n]{1,400})(?<=\S)"(?![A-Za-z0-9])')
_LITERAL = re.compile(r"[\[{(\"']")
_BRACES = re.compile(r"\{[^{}:]*\}")
"""Items in braces: a list, because a set of Python would lose their order."""
MAX_LITERAL = 5000
_I = re.compile(r"\bI(?:'|\s+[a-z])")
_LABELLED = re.compile(
    r"(?:^|\n)[ \t>*#_]*(?:(?:my|the|final|short)\s+)*(?:answers?|respuesta|réponse|antwort|risposta|resposta|ответ"
    r"|答案|回答|答え)[*_ ]*[:\uff1a][*_]*[ \t]*",
    re.I,
)


def read_value(raw: object, spec: AnswerSpec, options: Sequence[str], n_items: int) -> AnswerValue:
    """Return the value of an answer that a tool call or JSON holds.

    Raises:
        ActionError: it is no plain answer of this kind; the message says what is wanted.
    """
    return _Reader(spec, options, n_items).value(raw)


def read_text(text: str, spec: AnswerSpec, options: Sequence[str], n_items: int) -> AnswerValue:
    """Return the value of the answer in a whole reply.

    Raises:
        ActionError: the reply states no plain answer of this kind; the message says what is wanted.
    """
    return _Reader(spec, options, n_items, whole_reply=True).text(text)


def stated_answer(text: str) -> str | None:
    """Return what the last explicit statement of a reply says, or None; the question's kind need not be known.

    Without such a statement, a reply that is or concludes with nothing but a letter or numbers states them.

    >>> stated_answer("I looked at both. The answer is: C")
    'C'
    >>> stated_answer("I think it is (B).")
    '(B).'
    >>> stated_answer("I must find out what the answer is.") is None
    True
    """
    reply = without_thoughts(text)
    marked = _own_words(reply)
    statements = [one for one in find_statements(marked) if isinstance(one.said, str)]
    if not statements:
        return _bare_answer(reply, marked.words)
    last = statements[-1]
    said = _CUT.split(str(last.said))[0].strip()
    return said if _is_answer(said, last) and not is_taken_back(last) else None


def _own_words(reply: str) -> Marked:
    """Return a reply without what it quotes of a video, where a sign or a voice may say what the answer is."""
    marked = take_out(_EVIDENCE.sub("", reply[-MAX_CHARS:]))
    own = _QUOTATION.sub(lambda quoted: " " if _is_statement(quoted[1].strip(" .")) else quoted[0], marked.text)
    return marked._replace(text=own)


def _is_statement(quoted: str) -> bool:
    """Return whether a quotation says what the answer is; an answer alone, as in 'The answer is "C"', does not."""
    held = HELD.search(quoted)
    stated = held[0] if held else stated_answer(quoted)
    return stated is not None and stated.strip(" .") != quoted


def _bare_answer(reply: str, words: str) -> str | None:
    """Return the letter or the numbers that a reply is, or that its last hint names; None if there is more to it."""
    lines = words.split("\n")
    hints = find_hints(reply, words) if len(lines) < MAX_LINES else []
    return next((said for said in (words, *reversed(hints)) if _BARE.fullmatch(said) and said[-1:] != "?"), None)


def _is_answer(said: str, statement: Statement) -> bool:
    """Return whether a statement holds an answer: after a sentence such as "the answer is", only a short one."""
    if (
        not said
        or said.endswith("?")
        or re.match(r"(?:not|unclear|unknown|uncertain|n/?a|tbd|pending|\.\.\.)\b", said, re.I)
    ):
        return False
    return statement.firm or len(said.split()) <= 2 * _SHORT_WORDS


class _Reader:
    """Reads for one question."""

    def __init__(self, spec: AnswerSpec, options: Sequence[str], n_items: int, *, whole_reply: bool = False) -> None:
        self._spec, self._options, self._n_items = spec, options, n_items
        self._whole_reply = whole_reply

    def _parse(self, raw: object) -> AnswerValue:
        return self._spec.parse(raw, self._options, self._n_items)

    def value(self, raw: object) -> AnswerValue:
        """Return the value of anything."""
        if isinstance(raw, str):
            return self.text(raw)
        if is_object(raw):
            return self._object(raw)
        if is_list(raw):
            items = raw if any(map(has_verdict, raw)) else [_unwrapped(item) for item in raw]
            single = len(items) == 1 and isinstance(items[0], str) and not self._spec.takes_any_text
            return self.text(str(items[0])) if single else self._parse(items)
        return self._parse(raw)

    def _object(self, raw: Mapping[object, object]) -> AnswerValue:
        inner = _unwrapped(raw)
        if inner is not raw:
            self._require_agreement(raw)
            return self.value(inner)
        try:
            return self._parse(raw)
        except UnclearError:
            raise
        except ActionError:
            if len(raw) != 1:
                raise
            ((name, only),) = raw.items()
            if (
                _OTHER_FIELD.search(str(name))
                or isinstance(only, bool)
                or not (is_list(only) or isinstance(only, str | int | float))
            ):
                raise
            return self.value(only)

    def _require_agreement(self, raw: Mapping[object, object]) -> None:
        """Raise `UnclearError` where the fields of an object name different options, or one denies the answer."""
        if not self._spec.needs_options:
            return
        own = option_set(tuple(map(str, self._options)))
        fields = {field_name(name): plain(fold(value)) for name, value in raw.items() if isinstance(value, str)}
        named = {own.exactly(text) for name, text in fields.items() if name in _NAMING_FIELDS} - {None}
        denied = any(_is_denial(value) for name, value in raw.items() if field_name(name) in VERDICT_FIELDS)
        if len(named) > 1 or denied:
            raise own.unclear(str(dict(raw)))

    def text(self, text: str) -> AnswerValue:
        """Return the value that a text states."""
        said = without_thoughts(text)
        if self._spec.takes_any_text:
            return self._parse(_free_text(said) if self._whole_reply else said)
        literal = _literal(said)
        if literal is not None:
            try:
                return self.value(literal)
            except UnclearError:
                raise
            except ActionError:
                pass
        return self._search(said)

    def _search(self, said: str) -> AnswerValue:
        """Try the places of a reply in their order. Only an unclear statement ends the search at once."""
        own = _own_words(said)
        marked = own if own.text.strip() else take_out(said)  # a reply may be nothing but a quotation
        for statement in reversed(find_statements(marked)):
            try:
                return self._standing(statement)
            except UnclearError:
                raise
            except ActionError:
                continue
        words = _RATIONALE.sub("", marked.words).strip() or marked.words
        if self._is_about_i(words):
            raise UnclearError(f"{shortened(said)} is no letter alone; write one, without a sentence.")
        problems: list[ActionError] = []
        for read in (self._whole, self._lines, self._hints):
            try:
                return read(words, said)
            except ActionError as error:
                problems.append(error)
        raise next((error for error in problems if isinstance(error, UnclearError)), problems[0])

    def _is_about_i(self, words: str) -> bool:
        """Return whether a value is prose about "I" where that is also an option's letter."""
        own = option_set(tuple(map(str, self._options)))
        if self._whole_reply or "I" not in own.letters or not self._spec.needs_options:
            return False
        return _I.search(words) is not None and own.exactly(words) is None

    def _standing(self, statement: Statement) -> AnswerValue:
        """Return the value of a statement that the reply does not take back."""
        value = self._statement(statement)
        if is_taken_back(statement):
            raise UnclearError(f"{shortened(statement.rest)} takes the answer back; write one, after 'Answer:'.")
        return value

    def _statement(self, statement: Statement) -> AnswerValue:
        if statement.is_held:
            return self.value(statement.said)
        if self._spec.spans_lines and statement.lines and statement.lines != statement.said:
            try:
                return self._passage(statement.lines)
            except ActionError:
                pass
        return self._passage(statement.said)

    def _passage(self, passage: str) -> AnswerValue:
        """Read a passage as a whole, else up to its reason or the end of its first sentence."""
        literal = _literal(passage)
        try:
            return self.value(literal) if literal is not None and not isinstance(literal, str) else self._parse(passage)
        except (DeniedError, RivalError):
            raise
        except ActionError as error:
            first = _CUT.split(passage, maxsplit=1)[0].strip()
            if first == passage.strip() or not first:
                raise
            try:
                return self._parse(first)
            except UnclearError:
                raise
            except ActionError:
                raise error from None

    def _whole(self, words: str, said: str) -> AnswerValue:
        if "\n" in words:
            if not self._spec.spans_lines:
                raise ActionError(f"{shortened(said)} holds no answer.")
            try:
                return self._parse(words)
            except UnclearError as error:
                raise ActionError(error.message) from error
        return self._passage(words)

    def _lines(self, words: str, said: str) -> AnswerValue:
        """Read the lines that are short enough to be values; they must agree."""
        alone = [value for line in _paragraphs_of_a_word(words) if (value := self._line(line)) is not None]
        if alone and all(value == alone[0] for value in alone):
            return alone[0]
        lines = [line.strip() for line in words.split("\n") if line.strip()]
        values = [value for line in lines if (value := self._line(line)) is not None]
        if not values:
            raise ActionError(f"{shortened(words)} holds no answer.")
        last = lines[-1].strip(" .()*") if len(lines) > 1 else ""
        if (
            len(last) == 1
            and values[-1] == last.upper()
            and not any(len(one.strip(" .()*")) == 1 for one in lines[:-1])
        ):
            return values[-1]
        if any(value != values[0] for value in values):
            raise UnclearError(f"{shortened(words)} gives several answers; write one, after 'Answer:'.")
        return values[0]

    def _line(self, line: str) -> AnswerValue | None:
        try:
            value = self._parse(line)
        except UnclearError as error:
            if len(line.split()) <= _SHORT_WORDS and not isinstance(error, DeniedError):
                raise
            return None
        except ActionError:
            return None
        return value if len(line.split()) <= _SHORT_WORDS or self._is_own_words(line) else None

    def _is_own_words(self, line: str) -> bool:
        """Return whether a long line is nothing but an option's text."""
        length = len(line)
        return any(abs(length - len(option)) <= 6 for option in self._options)

    def _hints(self, words: str, said: str) -> AnswerValue:
        """Read the weaker statements: the last one decides, and no other may name another answer."""
        found: list[AnswerValue | UnclearError] = []
        for hint in find_hints(said, words):
            try:
                found.append(self._passage(hint))
            except UnclearError as error:
                found.append(error)
            except ActionError:
                continue
        if not found:
            raise ActionError(f"{shortened(words)} holds no answer.")
        last = found[-1]
        if isinstance(last, UnclearError):
            raise last
        if any(value != last for value in found if not isinstance(value, UnclearError)):
            raise UnclearError(f"{shortened(words)} gives several answers; write one, after 'Answer:'.")
        return last


def _paragraphs_of_a_word(words: str) -> list[str]:
    """Return the first and the last paragraph, each if it is one line of at most two words, and others stand beside."""
    paragraphs = [part.strip() for part in words.split("\n\n") if part.strip()]
    if len(paragraphs) < 2:
        return []
    return [part for part in (paragraphs[0], paragraphs[-1]) if "\n" not in part and len(part.split()) <= 2]


def _unwrapped(raw: object) -> object:
    """Return the field of an object that holds the answer; anything else as it is."""
    if not is_object(raw):
        return raw
    fields = {field_name(name): value for name, value in raw.items()}
    return next((fields[name] for name in ANSWER_FIELDS.split() if fields.get(name) is not None), raw)


def _is_denial(verdict: object) -> bool:
    """Return whether a verdict says no."""
    match = VERDICT.fullmatch(verdict.strip()) if isinstance(verdict, str) else None
    return verdict is False or (match is not None and match["no"] is not None)


def _literal(text: str) -> Any:
    """Return the JSON or Python literal that a text is, or None."""
    text = text.strip()
    if len(text) > MAX_LITERAL:
        return None
    text = fold(re.sub(r"^```\w*\s*|```$", "", text)).strip().rstrip(".;")
    if not _LITERAL.match(text):
        return None
    if _BRACES.fullmatch(text):
        text = f"[{text[1:-1]}]"
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _free_text(said: str) -> str:
    """Return what the last "Answer:" of a reply introduces, else the whole reply."""
    marked = take_out(said)
    held = [value for value in map(_unwrapped, marked.held) if isinstance(value, str) and value.strip()]
    labels = list(_LABELLED.finditer(said))
    if labels and (text := said[labels[-1].end() :].strip(" \t\n*`")):
        return text
    return held[-1] if held else said
