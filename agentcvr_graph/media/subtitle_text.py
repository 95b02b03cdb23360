"""Decode the bytes of a subtitle file whose encoding nobody stated.

UTF-8 and byte order marks are sure. For anything else `chardet` ranks the encodings that are in use, and the first is
taken whose text has no control characters and no word of two scripts: a French line read as Cyrillic has many, a French
line in the right encoding has none. (Of the measured libraries, charset-normalizer was right for 58 % of single
sentences in 23 legacy encodings, faust-cchardet for 88 %, and this for 95 %.)
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = "cp1252"
_NEARLY = 0.8
"""The most common legacy encoding wins against one that is ranked hardly higher, by this factor."""
_FEW_BROKEN = 0.25
"""UTF-8 in which this many characters are broken for each whole one beyond ASCII is still UTF-8."""
_FEW_STRANGE = 0.01
"""Share of control characters up to which a text with a byte order mark, or in broken UTF-8, is a text."""
_SOME_STRANGE = 0.25
"""The same for UTF-8 without a broken byte, which other data hardly ever is."""
_ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "HANGUL": "CJK", "FULLWIDTH": "CJK"}
_NO_SCRIPT = ("FEMININE", "MASCULINE", "MICRO", "MODIFIER")


def decoded(data: bytes, language: str = "") -> str | None:
    """Return the text of the bytes, or None if they are no text.

    Args:
        language: its ISO 639-1 code where the file's name states it; an encoding of this language is preferred.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _text(data.decode(encoding, "ignore"), _FEW_STRANGE)
    text = _as_utf8(data)
    return text if text is not None else _as_legacy(data, language)


def _as_utf8(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    beyond = sum(character > "\x7f" for character in text) - broken
    if broken > _FEW_BROKEN * beyond:
        return None
    return _text(text.replace("\ufffd", ""), _FEW_STRANGE if broken else _SOME_STRANGE)


def _as_legacy(data: bytes, language: str) -> str | None:
    """Return the text in the best encoding: of the stated language, else the usual one, else the first."""
    read = list(_readings(data))
    if not read:
        return None
    stated = [text for _, _, spoken, text in read if language and spoken == language]
    best = read[0][0]
    usual = [text for share, encoding, _, text in read if encoding == _LIKELY and share >= _NEARLY * best]
    return [*stated, *usual, read[0][3]][0]


def _readings(data: bytes) -> Iterator[tuple[float, str, str, str]]:
    """Yield confidence, encoding, language and text of each encoding that gives a plausible text, best first."""
    import chardet  # most files are UTF-8 and do not need it

    era = chardet.EncodingEra.MODERN_WEB
    for found in chardet.detect_all(data, ignore_threshold=True, encoding_era=era, compat_names=False):
        encoding = found["encoding"]
        try:
            text = _text(data.decode(encoding)) if encoding else None
        except (UnicodeDecodeError, LookupError):
            continue
        if encoding and text and not _mixes_scripts(text):
            yield found["confidence"], encoding, found["language"] or "", text


def _text(text: str, strange: float = 0.0) -> str | None:
    """Return the text without control characters; None if they are more than the share `strange`."""
    kept = "".join(c for c in text if c in "\r\n\t" or unicodedata.category(c) not in ("Cc", "Cn", "Co", "Cs"))
    return kept if len(text) - len(kept) <= strange * len(text) else None


def _mixes_scripts(text: str) -> bool:
    return any(
        len({_script(c) for c in word} - {""}) > 1 for word in set(re.findall(r"\w+", text)) if not word.isascii()
    )


def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "").partition(" ")[0]
    return "" if name in _NO_SCRIPT else _ONE_SCRIPT.get(name, name)
