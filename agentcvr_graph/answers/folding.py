"""Fold the many ways to type the same text into one, so that kinds compare words and not characters.

`fold` unifies characters (widths, dashes, arrows, quotes, digits, CJK punctuation), `plain` also removes markup
(Markdown, HTML, LaTeX, special tokens), and `same_form` is the form in which two texts are compared for equality.
Superscripts and fractions stay as they are: "10\u00b2" is not 102.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from string import ascii_uppercase

MAX_CHARS = 8000
"""Longer texts are cut: only their end is read."""
YES_MARKS, NO_MARKS = "\u2713\u2714\u2611\u2705", "\u2717\u2718\u2612\u274c"
"""Check marks and crosses, which lists of verdicts use."""
_KEPT = ("<super>", "<sub>", "<fraction>", "<vulgar>")
_SINGLE = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u0060\u00b4\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\u300a\u300b", '"'),
    **dict.fromkeys("\u2192\u27f6\u2794\u279c\u279d\u279e\u21d2\u27f9\u27a1\u2b95\u2193\u2b07", "->"),
    **dict.fromkeys("\u301c\uff5e\u223c\u2248\u2053", "~"),
    **dict.fromkeys("\u3010\u3014\u3016", "["),
    **dict.fromkeys("\u3011\u3015\u3017", "]"),
    **dict.fromkeys("\u3001\u060c", ","),
    **dict.fromkeys("\u3002\u0964\u06d4", "."),
    **dict.fromkeys("\u2028\u2029\x0b\x0c\x85", "\n"),
    "\u061b": ";",
    "\u061f": "?",
    "\u066b": ".",
    "\u066c": ",",
    **{chr(first + n): letter for first in (0x1F150, 0x1F170) for n, letter in enumerate(ascii_uppercase)},
}
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,100}>")
_LATEX_WORD = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|bf|rm|emph|underline|textrm|texttt|fbox)\s*\{([^{}]{0,500})\}"
)
_LATEX_MARK = re.compile(r"\\(?=\s)|\\[()\[\],;!%$]|\\(?:quad|qquad|displaystyle|left|right|bf|rm)\b|\$+")
_ARROW = re.compile(r"\\(?:long)?(?:right)?arrow\b|\\to\b|=+>|-+>")
_EMPHASIS = re.compile(
    r"\*+(?!\d)|(?<!\d)\*+|__+|~~|'{3,}(?:json|text|plaintext|markdown|python|xml|html|txt|yaml)?\b"
    r"|'{3,}|^[ \t]*#{1,6}[ \t]+|^[ \t]*>[ \t]",
    re.M,
)
_BULLET = re.compile(r"^[ \t]*(?:[\u2022\u2023\u25aa\u25cf\u25e6\u2043\u00b7+]|-(?=[ \t]+[^\d\s]))[ \t]*", re.M)
_LINES = re.compile(r"[ \t]*\n[ \t]*")
_NUMBERED = re.compile(r"^[ \t]*(\d+)[.):][ \t]+(?=\S)", re.M)
_OUTER = f" \t\n.,;:!?\"'`*_{YES_MARKS}"
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_REMARK = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")


def fold(text: str) -> str:
    """Return the text with unified characters; its lines stay."""
    text = text[-MAX_CHARS:].replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text.replace("`", "'")
    return "".join(map(_folded, unicodedata.normalize("NFC", text)))


@lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    if char.isascii():
        return "'" if char == "`" else char
    if char in _SINGLE:
        return _SINGLE[char]
    category = unicodedata.category(char)
    if category in ("Cf", "Cs", "Me") or "\ufe00" <= char <= "\ufe0f":  # invisible marks, half characters, variants
        return ""
    if category == "Nd":
        return str(unicodedata.digit(char))
    if unicodedata.decomposition(char).startswith(_KEPT):
        return char
    unified = unicodedata.normalize("NFKC", char)
    return "".join(_SINGLE.get(one, one) for one in unified)


def plain(text: str) -> str:
    """Return a folded text without markup: Markdown, HTML, LaTeX, special tokens, bullets and pictographs.

    >>> plain("**Answer:** $\\\\text{B}$")
    'Answer: B'
    """
    text = html.unescape(text) if "&" in text else text
    if "<" in text:
        text = _TAG.sub(_without_tag, re.sub(r"<br\s*/?>", "\n", re.sub(r"<\|[^<>|\n]{1,60}\|>", "", text), flags=re.I))
    text = text.replace("{,}", ",")
    if "\\" in text or "$" in text or ">" in text:
        text = _LATEX_MARK.sub("", _ARROW.sub("->", _LATEX_WORD.sub(r"\1", _LATEX_WORD.sub(r"\1", text))))
    text = _BULLET.sub("", _EMPHASIS.sub("", text))
    if not text.isascii():
        text = "".join(map(_without_pictograph, text))
    return _LINES.sub("\n", text).strip()


def _without_tag(match: re.Match[str]) -> str:
    """Return nothing for a tag; the tag itself if it is a capital in angle brackets: "<B>" is a letter."""
    is_letter = len(match[0]) == 3 and match[0][1].isupper() and f"</{match[0][1]}>" not in match.string
    return match[0] if is_letter else ""


@lru_cache(maxsize=4096)
def _without_pictograph(char: str) -> str:
    is_pictograph = unicodedata.category(char) in ("So", "Sk") and char not in YES_MARKS + NO_MARKS
    return " " if is_pictograph else char


def same_form(text: str) -> str:
    """Return the form in which texts are compared: without case, outer punctuation, quotes and repeated spaces.

    >>> same_form('"A Blue  ball!"')
    'a blue ball'
    """
    text = " ".join(text.casefold().split()).replace('"', "")
    while True:
        bare = text.strip(_OUTER)
        if len(bare) > 1 and _BRACKETS.get(bare[0]) == bare[-1] and bare.count(bare[0]) == 1:
            bare = bare[1:-1]
        if bare == text:
            return text
        text = bare


def without_remarks(text: str) -> str:
    """Return the text without what stands in brackets."""
    return " ".join(_REMARK.sub(" ", text).split())


def without_article(text: str) -> str:
    """Return a compared form without its leading English article."""
    return re.sub(r"^(?:an?|the)\s+", "", text)


def without_numbering(text: str) -> str:
    """Return the text without the numbers of a numbered list: "1. Video 2" is an item, the first."""
    numbers = [int(match[1]) for match in _NUMBERED.finditer(text) if len(match[1]) < 4]
    counted = len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1))
    return _NUMBERED.sub("", text) if counted else text


def shortened(raw: object) -> str:
    """Return a value as an error message quotes it: one line of at most 80 characters."""
    shown = repr(raw) if not isinstance(raw, str) else repr(" ".join(raw.split()))
    return shown if len(shown) <= 80 else f"{shown[:38]}...{shown[-38:]}"
