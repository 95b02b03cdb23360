"""Read JSON as models write it, at a known place of a text.

Strict JSON is read by the standard library and stays exactly as it is. Everything else goes to `json_repair`: trailing
commas, Python literals, comments, smart quotes, missing braces. That library also makes values out of prose, so it
never sees a whole reply: this module first finds where the value ends, and gives it that part alone.

A value that the end of the text cuts off is dropped, because half a number is another number. Reading then fails, or
not, by what is missing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast

MAX_REPAIRED = 6000
"""Longest text in characters that is repaired, because the time of a repair grows with the square of the length."""
_REPAIR_WORK = 60
"""What an attempt to repair takes besides, in characters that are scanned."""
_STRICT_WORK = 32
"""Characters that the standard library reads in the time in which one is scanned."""
MAX_NESTED = 3
"""How often a string that holds JSON is decoded again."""
_CLOSERS = {"}": "{", "]": "[", ")": "("}
_STRING_ENDS = re.compile(r"""\s*(?:[,:}\])\uff0c\uff1a]|\Z|//|\#|/\*|```|\n|["']\w+["']\s*:)""")
_FOLLOWS_A_VALUE = ",:}])\"'\u201c\u201d#/\uff0c\uff1a"
"""What may stand behind a closed bracket within JSON; anything else is prose, or the next value."""
_WIDE = {"\uff0c": ",", "\uff1a": ":"}
"""Full-width punctuation, which Chinese models write."""
_CLOCK_TIME = re.compile(r"(?<=[:\[,])(\s*)(\d{1,3}(?::\d{2}){1,2}(?:\.\d+)?)(?=\s*[,}\]])")
_BARE_END = re.compile(r"[^\s,:\[\]{}()\"]+\s*\Z")
_KEY_END = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\w+)\s*:\s*\Z')


@dataclass(frozen=True)
class Found:
    """A value that was read from a text, and where it ends."""

    value: Any
    end: int
    work: int = 0
    """Characters that were repaired."""


class Unreadable(ValueError):
    """Raised where a text cannot be read.

    Holds the reason, the positions of the error and of the end, and the work: characters that were scanned, of which
    those that the standard library read count at a fraction.
    """

    def __init__(self, reason: str, position: int, end: int, work: int = 0) -> None:
        self.reason, self.position, self.end, self.work = reason, position, end, work
        super().__init__(reason)


def read_at(text: str, start: int) -> Found:
    """Return the object or list whose bracket stands at `start`.

    Raises:
        Unreadable: it cannot be read.
    """
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
        return Found(value, end)
    except json.JSONDecodeError as error:
        reason, position = error.msg, error.pos
    except (ValueError, RecursionError):  # a number of thousands of digits, or thousands of nested brackets
        raise Unreadable("too large or too deep", start, len(text)) from None
    end, tidy = _Scan(text, start).run()
    work = _REPAIR_WORK + end - start + (position - start) // _STRICT_WORK
    problem = Unreadable(reason, position, end, work)
    if end - start > MAX_REPAIRED:
        raise problem
    return Found(_repaired(tidy, problem), end, work)


def read_whole(text: str) -> Any:
    """Return the value that a whole text writes; the text itself if it writes none.

    >>> read_whole("{'a': True}"), read_whole("3"), read_whole("a pan")
    ({'a': True}, 3, 'a pan')
    """
    stripped = text.strip()
    try:
        return json.loads(stripped, strict=False)
    except (ValueError, RecursionError):
        pass
    if not stripped.startswith(("{", "[")):
        return {"True": True, "False": False, "None": None}.get(stripped, text)
    try:
        found = read_at(stripped, 0)
    except Unreadable:
        return text
    return found.value if not stripped[found.end :].strip(" \n`;") else text


def decoded(value: Any) -> Any:
    """Return a value whose JSON was written as a string, also several times over."""
    for _ in range(MAX_NESTED):
        if not isinstance(value, str) or not value.strip().startswith(("{", "[", '"{', '"[', '"\\"')):
            break
        value = read_whole(value)
    return value


def why_unreadable(text: str) -> str:
    """Return why and where a text is no JSON, for an error message."""
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        return f"{error.msg} at {place(text, error.pos)}"
    except (ValueError, RecursionError):
        return "too large or too deep"
    return "no object"


def place(text: str, position: int) -> str:
    """Return a position for an error message.

    >>> place('{\\n"a" 1}', 6)
    'line 2, column 5'
    """
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _repaired(tidy: str, problem: Unreadable) -> Any:
    import json_repair  # few replies need it, and its import takes longer than that of the whole reader

    try:
        value = cast(Any, json_repair.loads(tidy))
    except (ValueError, RecursionError):
        raise problem from None
    if isinstance(value, dict | list) and value:  # an empty value would be all that was left of something unreadable
        return cast(Any, value)
    raise problem


class _Scan:
    """One pass over a value that is not strict JSON: finds its end, and tidies its strings and comments.

    Strings become JSON strings, whatever quotation marks they are in, and comments go, so that the library has only
    brackets, commas and bare words to repair, and no text to guess about.
    """

    def __init__(self, text: str, start: int) -> None:
        self._escaped = text.startswith(('{\\"', '[{\\"'), start)
        part = text[start : start + 2 * MAX_REPAIRED + 2].replace('\\"', '"') if self._escaped else ""
        self._text = text[:start] + part if self._escaped else text
        self._start = self._here = start
        self._limit = min(len(self._text), start + MAX_REPAIRED + 1)
        self._open: list[str] = []
        self._parts: list[str] = []

    def run(self) -> tuple[int, str]:
        """Return the end of the value in the text, and the tidied value."""
        after_bracket = False
        while self._here < self._limit:
            character = self._text[self._here]
            ended = after_bracket and not character.isspace() and character not in _FOLLOWS_A_VALUE
            if ended or self._text.startswith("```", self._here):
                return self._end(), self._tidied()
            if not character.isspace():
                after_bracket = character in _CLOSERS
            if plain := _PLAIN.match(self._text, self._here, self._limit):
                self._parts.append(plain[0])
                self._here = plain.end()
            elif not (self._comment() or self._string()):
                self._take(_WIDE.get(character, character))
                if character in _CLOSERS and self._close(character):
                    return self._end(), self._tidied()
        return self._end(), self._without_cut_value()

    def _end(self) -> int:
        """Return the position in the given text, which has a backslash before each quotation mark if it is escaped."""
        backslashes = self._text.count('"', self._start, self._here) if self._escaped else 0
        return self._here + backslashes

    def _take(self, character: str) -> None:
        self._parts.append(character)
        self._here += 1
        if character in "{[(":
            self._open.append(character)

    def _close(self, character: str) -> bool:
        """Close the bracket, and those that should have been closed inside it; return whether none is left open."""
        if _CLOSERS[character] in self._open:
            while self._open.pop() != _CLOSERS[character]:
                pass
        return not self._open

    def _tidied(self) -> str:
        return _CLOCK_TIME.sub(r'\1"\2"', "".join(self._parts))

    def _without_cut_value(self) -> str:
        """Return the tidied text without a number, a word or a key at its end, which may be half of one."""
        tidy = _BARE_END.sub("", self._tidied())
        return _KEY_END.sub("", tidy)

    def _comment(self) -> bool:
        if self._text.startswith("/*", self._here):
            end = self._text.find("*/", self._here) + 2
        elif self._text[self._here] == "#" or self._text.startswith("//", self._here):
            end = self._text.find("\n", self._here)
        else:
            return False
        self._here = end if end > 1 else self._limit
        return True

    def _string(self) -> bool:
        mark = self._text[self._here]
        before = self._text[self._here - 1] if self._here > self._start else "{"
        if mark not in _QUOTES or not (before in "{[(,:\uff0c\uff1a" or before.isspace()):
            return False
        end = self._string_end(_STRING_MARKS[mark])
        if end < 0:
            self._here = self._limit  # cut off: the string and its key are dropped
        else:
            self._parts.append(json.dumps(_content(self._text[self._here + 1 : end])))
            self._here = end + 1
        return True

    def _string_end(self, marks: re.Pattern[str]) -> int:
        """Return the position of the closing mark; -1 if there is none.

        A mark within a string, which should have been escaped, is one that no punctuation follows.
        """
        for mark in marks.finditer(self._text, self._here + 1, self._limit):
            if mark[0][0] != "\\" and _STRING_ENDS.match(self._text, mark.end()):
                return mark.start()
        return -1


_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201c\u201d", "\u2018": "\u2018\u2019", "`": "`"}
"""Opening marks of strings, each with the marks that close it."""
_STRING_MARKS = {mark: re.compile(rf"\\.|[{closing}]", re.S) for mark, closing in _QUOTES.items()}
"""What to stop at within a string: an escape, or a mark that may close it."""
_PLAIN = re.compile(rf"[^\s\[\](){{}}/#{''.join(_QUOTES)}{''.join(_WIDE)}]+")
"""What the scan need not look at character by character."""


def _content(inner: str) -> str:
    """Return the text of a string, with the escapes that JSON knows; others stay as they are."""
    inner = _BARE_MARK.sub(r'\1\\"', inner.replace("\\'", "'"))
    try:
        return str(json.loads(f'"{_UNKNOWN_ESCAPE.sub(_DOUBLED, inner)}"', strict=False))
    except ValueError:
        return inner


_BARE_MARK = re.compile(r'(?<!\\)((?:\\\\)*)"')
_UNKNOWN_ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_DOUBLED = r"\\\\"
