"""Compare languages: one code for all tags of a language, whether a track or the name of a file states it.

`langcodes` knows the tags. It takes a while to import, so callers ask only where several tracks or files compete, or
where a part of a file's name may be a language.
"""

from __future__ import annotations

_NAMES = {
    **{"english": "en", "french": "fr", "german": "de", "spanish": "es", "italian": "it", "portuguese": "pt"},
    **{"russian": "ru", "chinese": "zh", "japanese": "ja", "korean": "ko", "arabic": "ar", "dutch": "nl"},
    **{"polish": "pl", "turkish": "tr", "swedish": "sv", "hindi": "hi", "greek": "el", "czech": "cs"},
}
_NONE = ("und", "mul", "zxx", "mis")
"""Codes for an unknown language, several languages, none, and one without a code."""
_LONG_CODES = ("fil", "yue", "cmn")
"""Codes of three letters that have none of two. In names of files, others, such as `cut`, are more often a word."""


def language_code(tag: str) -> str:
    """Return the shortest code of a language tag or English name; empty if it names no language.

    >>> [language_code(tag) for tag in ("pt_BR", "ger", "de-CH", "English", "haw", "und", "part2")]
    ['pt', 'de', 'de', 'en', 'haw', '', '']
    """
    tag = tag.strip().replace("_", "-").lower()
    if not tag or tag in _NAMES:
        return _NAMES.get(tag, "")
    import langcodes

    code = langcodes.Language.get(tag).language if langcodes.tag_is_valid(tag) else ""
    return "" if code in _NONE else code or ""


def language_in_name(part: str) -> str:
    """Return the code of a language that a part of a file's name states; empty if it is more likely a word.

    >>> [language_in_name(part) for part in ("eng", "fil", "cut", "new")]
    ['en', 'fil', '', '']
    """
    code = language_code(part)
    return code if len(code) == 2 or code in _LONG_CODES else ""


def language_name(code: str) -> str:
    """Return the English name of a language, or its code in quotation marks where no name is known.

    >>> language_name("de"), language_name("cy")
    ('German', "'cy'")
    """
    return next((name.title() for name, known in _NAMES.items() if known == code), repr(code))
