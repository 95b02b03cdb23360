"""Yes and no as replies say them, for questions whose options are yes and no."""

from __future__ import annotations

import re

YES_NO = frozenset({"yes", "no"})
_YES = (
    "yes yeah yep true correct affirmative s\u00ed si oui ja да tak evet sim ya c\u00f3"
    " 是 是的 对 對 はい 네 예 نعم हाँ हां"
)
_NO = (
    "no nope false incorrect negative non nein nee нет nie hay\u0131r n\u00e3o tidak kh\u00f4ng"
    " 否 不是 不 不对 いいえ 아니요 아니오 لا नहीं"
)
_LEADING_YES = re.compile(r"(?:yes|yeah|yep)\b(?!\s*(?:/|and|or|&)\s*no\b)", re.I)
_LEADING_NO = re.compile(
    r"(?:no|nope)\b(?=\s*(?:$|[.;:!(\n-]|,(?!\s*yes\b))"
    r"|\s+(?:they|it|he|she|there|this|that|these|those|the|both|neither|not|i|we|because|since)\b)",
    re.I,
)


def particle(form: str) -> str | None:
    """Return "yes" or "no" for a word that means it, else None."""
    return "yes" if form in _YES.split() else "no" if form in _NO.split() else None


def leading_particle(text: str) -> tuple[str, int] | None:
    """Return "yes" or "no", and where it ends, if a reply starts with it: "Yes, they do"; not "No dogs are seen"."""
    for said, pattern in (("yes", _LEADING_YES), ("no", _LEADING_NO)):
        if match := pattern.match(text):
            return said, match.end()
    return None
