"""The options of a question as a reply names them: by letter ("B", "(b)", "Option B"), by text, or by both.

`OptionSet` finds the option that a text *is*, and the option that a text *starts with* at a position. It does not know
sentences: what may stand around an option is the business of the kinds `choice` and `choices`.

A letter alone is always a label. A bare `A` or `I` before a word is an article or a pronoun, never a label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import ascii_uppercase
from typing import NamedTuple

from agentcvr_graph.answers.folding import fold, plain, same_form, shortened, without_article, without_remarks
from agentcvr_graph.answers.yes_no import YES_NO, particle
from agentcvr_graph.errors import ActionError

MAX_OPTIONS = len(ascii_uppercase)


class UnclearError(ActionError):
    """Raised when a text names an answer but not plainly one: two options, a negation, two numbers."""


class DeniedError(UnclearError):
    """Raised when a text only says which options are wrong."""


class RivalError(UnclearError):
    """Raised when a text sets another option against the one that it names: "B, or rather C"."""


class Mention(NamedTuple):
    """An option that a text names at a position."""

    letter: str
    end: int
    """Where the mention ends in the text."""
    by_text: bool
    """Whether the option's text is what names it, without its letter."""


_WORDS_BEFORE_LABEL = (
    r"(?:option|choice|answer|letter|opci[oó]n|opç[aã]o|opzione|optie|antwort|lettre|letra|r[eé]ponse|choix|вариант"
    r"|опция|se[cç]enek|pilihan|opsi|phương\s+án|विकल्प|الخيار|گزینه)\s*[:#]?\s+"
    r"|(?:选项|選項|选择|選擇|選択肢|选|選|보기|선택지|ข้อ)\s*[:#]?\s*"
)
_LABEL = re.compile(
    rf"(?P<word>{_WORDS_BEFORE_LABEL})?(?P<open>[(\[{{<\"']*)(?P<letter>[A-Za-z])(?P<close>[)\]}}>\"']*)"
    r"(?![A-Za-z0-9_']|-[A-Za-z0-9]|\.[a-z]\.)",
    re.I,
)
_BEFORE_TEXT = re.compile(r"\s*[.:)=-]?[\s(\[\"':-]*")
_AFTER_TEXT = re.compile(r"[)\]\"']*")
_BRACKETED_LABEL = re.compile(r"[\s,:=-]*[(\[]\s*(?:option\s+)?([A-Za-z])\s*[)\]]", re.I)
_AFTER_ARTICLE = re.compile(
    r"[ \t]+(?![A-Z]\b)(?!(?:y|et|und|e|и|plus|o|ou|oder)\s+[A-Z]\b)"
    r"(?!(?:because|since|as|is|was|would|must|should|seems?|fits?|match(?:es)?|looks|due|based"
    r"|given|according|only|alone|and|or|nor|but|then|are|were|to|not|can|could|cannot|does|did|has|isn't|wasn't|doesn't|can't|hold|apply"
    r"|being|works|remains|stands|applies|holds)\b)[^\W\d_]"
)
_AFTER_SMALL_LETTER = re.compile(r"\s*(?:$|[.):,;/|&+])|\s+(?:and|or)\s+[a-z]\b")


@dataclass(frozen=True)
class OptionSet:
    """The options of one question."""

    options: tuple[str, ...]

    @property
    def letters(self) -> str:
        """All labels, such as "ABCD"."""
        return ascii_uppercase[: len(self.options)]

    @cached_property
    def forms(self) -> dict[str, str]:
        """Letter -> the form of the option's text, without a label that the text carries itself."""
        return {letter: _form(letter, text) for letter, text in zip(self.letters, self.options, strict=False)}

    @cached_property
    def asks_yes_or_no(self) -> bool:
        """Whether two of the options are yes and no."""
        return set(self.forms.values()) >= YES_NO

    def exactly(self, text: str) -> str | None:
        """Return the letter of the option that a plain text is: its letter alone or its text.

        Case, outer punctuation, quotes, bracketed remarks and a leading article do not count.

        Raises:
            UnclearError: two options fit equally well.
        """
        form = same_form(text)
        if text.rstrip(" \"')").endswith("?") and not any("?" in option for option in self.options):
            return None
        if len(form) == 1 and form.upper() in self.letters:
            return form.upper()
        return self._with_form(form, str) or self._without_remark(form) or self._yes_or_no(form)

    def _without_remark(self, form: str) -> str | None:
        letter = self._with_form(form, _bare)
        labels = {match[1].upper() for match in _BRACKETED_LABEL.finditer(form)} & set(self.letters)
        if letter and labels - {letter}:
            raise self.unclear(form)
        return letter

    def _with_form(self, form: str, reduce: Callable[[str], str]) -> str | None:
        wanted = reduce(form)
        fits = [letter for letter, own in self.forms.items() if wanted and reduce(own) == wanted]
        if len(fits) > 1:
            raise UnclearError(f"{shortened(form)} is the text of several options; write one letter, {self.span}.")
        return fits[0] if fits else None

    def _yes_or_no(self, form: str) -> str | None:
        said = particle(form) if self.asks_yes_or_no else None
        return self._with_form(said, str) if said else None

    @property
    def span(self) -> str:
        """The range of letters in words."""
        return f"{self.letters[0]} to {self.letters[-1]}" if self.options else "of an option"

    def at(self, text: str, start: int = 0) -> Mention | None:
        """Return the option that is named at a position: by its text, its label, or both.

        Raises:
            UnclearError: a label stands with the text of another option.
        """
        return self._text_at(text, start) or self._label_at(text, start)

    def _text_at(self, text: str, start: int) -> Mention | None:
        match = self._texts.match(text, start)
        if match is None or match.lastgroup is None:
            return None
        letter, end = match.lastgroup, match.end()
        label = _BRACKETED_LABEL.match(text, end)
        if label is None or label[1].upper() not in self.letters:
            return Mention(letter, end, by_text=True)
        if label[1].upper() != letter:
            raise self.unclear(text)
        return Mention(letter, label.end(), by_text=False)

    def _label_at(self, text: str, start: int) -> Mention | None:
        match = _LABEL.match(text, start)
        if match is None or match["letter"].upper() not in self.letters:
            return None
        letter, end = match["letter"].upper(), match.end()
        own = _BEFORE_TEXT.match(text, end)
        named = self._texts.match(text, own.end()) if own else None
        if own and named and named.lastgroup:
            if named.lastgroup == letter:
                after = _AFTER_TEXT.match(text, named.end())
                return Mention(letter, after.end() if after else named.end(), by_text=False)
            if own[0].strip() and not _is_bare(match, text):
                raise self.unclear(text)
        return None if _is_bare(match, text) else Mention(letter, end, by_text=False)

    @cached_property
    def _texts(self) -> re.Pattern[str]:
        """A pattern of all option texts, longest first; the group's name is the letter."""
        words = {
            letter: r"\s+".join(map(re.escape, form.split()))
            for letter, form in self.forms.items()
            if form and not (len(form) == 1 and form.upper() in self.letters)
        }
        ranked = sorted(words, key=lambda letter: -len(self.forms[letter]))
        parts = [rf"(?P<{letter}>{words[letter]}{_boundary(self.forms[letter])})" for letter in ranked]
        return re.compile("|".join(parts) or r"(?!)", re.I)

    def named_in(self, text: str) -> set[str]:
        """Return the letters of all options whose text stands anywhere in a text."""
        return {match.lastgroup for match in self._texts.finditer(text) if match.lastgroup}

    def unclear(self, text: str) -> UnclearError:
        """Return the error for a text that names more than one option."""
        return UnclearError(f"{shortened(text)} names more than one option; write one letter, {self.span}.")

    def unknown(self, text: str) -> ActionError:
        """Return the error for a text that names no option."""
        return ActionError(f"{shortened(text)} is not one of the options {self.span}.")


@lru_cache(maxsize=256)
def option_set(options: tuple[str, ...]) -> OptionSet:
    """Return the options, prepared for matching."""
    return OptionSet(options)


def option_of(letter: str, options: Sequence[str]) -> str:
    """Return the text of the option with this letter."""
    return options[ascii_uppercase.index(letter)]


def _form(letter: str, option: str) -> str:
    text = plain(fold(str(option)))
    label = re.match(rf"[(\[]?{letter}[.):\]]+\s+(?=\S)", text)
    return same_form(text[label.end() :] if label else text) or text


def _bare(form: str) -> str:
    return same_form(without_article(without_remarks(form)))


def _boundary(form: str) -> str:
    return r"(?![\w]|[-'.,]\w)" if form[-1:].isalnum() else ""


def _is_bare(match: re.Match[str], text: str) -> bool:
    """Return whether a letter is a word of a sentence: an article, a pronoun, or a small letter without brackets."""
    if match["word"] or match["open"] or match["close"]:
        return False
    letter, rest = match["letter"], text[match.end() : match.end() + 40]
    if letter.islower():
        return not _AFTER_SMALL_LETTER.match(rest)
    return letter in "AI" and _AFTER_ARTICLE.match(rest) is not None
