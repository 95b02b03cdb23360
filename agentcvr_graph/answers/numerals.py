"""Numbers as people and models write them: "3", "1,234", "1 234", "3,5", "1.234,5", "1e3"."""

from __future__ import annotations

import re

NUMERAL = re.compile(
    r"(?<![A-Za-z0-9_.,])[-+]?(?:"
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"  # 1,234.5
    r"|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+"  # 1.234.567 and 1.234,5
    r"|\d{1,2}(?:,\d{2})+,\d{3}"  # 12,34,567
    r"|\d{1,3}(?:[' _]\d{3})+(?:[.,]\d+)?"  # 1 234
    r"|\d+,\d{1,2}|0,\d+"  # 3,5
    r"|\d+(?:\.\d+)?|\.\d+"
    r")(?:e[-+]?\d+)?(?![\d]|[.,:]\d)",
    re.I,
)


def read_number(text: str) -> float:
    """Return the value of what `NUMERAL` matches.

    >>> [read_number(text) for text in ("1,234", "3,5", "1.234,5", "1 234", "0,125")]
    [1234.0, 3.5, 1234.5, 1234.0, 0.125]
    """
    digits = re.sub(r"[' _]", "", text)
    if re.search(r"\.\d+,", digits) or digits.count(".") > 1:
        return float(digits.replace(".", "").replace(",", "."))
    if re.fullmatch(r"[-+]?(?:\d+,\d{1,2}|0,\d+)(?:e[-+]?\d+)?", digits, re.I):
        return float(digits.replace(",", "."))
    return float(digits.replace(",", ""))
