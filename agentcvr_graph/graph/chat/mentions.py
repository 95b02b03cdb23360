"""Find what a chat message says: the videos that its text names, the options, and the question that is left.

A video is a URL, a path that ends like a media file, a folder (`clips/`, `/data/clips`), or any of these in quotation
marks or a link of Markdown. In the question it becomes `video N`, the name by which the master knows it, and a folder
of several videos becomes `videos N to M`. Options are
lines that begin with `A)`, `B)`, ... or `1.`, `2.`, ..., or such marks within the last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from agentcvr_graph.types import MEDIA_ENDINGS

_ENDING = "|".join(ending[1:] for ending in MEDIA_ENDINGS)
_CLIP = r"(?:#(?:t|fps)=[\w.:,&=]*\w)?"
_NAMED = rf"[^\n<>|\"`\u201c\u201d]{{1,300}}?\.(?:{_ENDING}){_CLIP}"
_URL = r"(?:https?|file|script)://[^\s<>\"'`|]+"
_MARK = r"[\"'`<>\u201c\u201d\u2018\u2019]"
_START = r"(?<![^\s\"'`<>|,;!?()\[\]:=*])"
"""The place before the first character of a path."""
_MENTION = re.compile(
    rf"\[[^\]\n]{{0,200}}\]\((?P<link>{_URL}|{_NAMED})\)"
    rf"|(?P<url>{_URL})"
    rf"|(?<!\w){_MARK}(?P<quoted>(?![\s\"'`])(?:{_NAMED}|(?:~|\.{{0,2}})/[^\n\"'`>\u201d\u2019]{{1,300}}"
    rf"|[^\n\"`>\u201d]{{1,300}}/)){_MARK}(?!\w)"
    rf"|{_START}(?P<path>[^\s\"'`<>|,;!?()\[\]][^\s\"'`<>|,;!?]{{0,300}}?\.(?:{_ENDING}){_CLIP})(?![\w/#])"
    rf"|{_START}(?P<folder>(?:~|\.{{1,2}})?/[\w.~*-]+[^\s\"'`<>|,;!?()]*|[\w./-]{{0,300}}/(?=[\s,;:!?]|$))",
    re.I,
)
_AFTER_URL = ".,;:!?)]}'\""
_FILLER = frozenset(
    """
    a an and are at clip clips file files folder following here i in is it it's its link links meant mean my of on or
    please sorry the these this those to url urls use video videos with
    """.split()  # noqa: SIM905
)
"""Words beside which a line of videos asks nothing."""
_COURTESY = frozenset(
    """
    afternoon ah alright amazing appreciate appreciated awesome bien bonjour brilliant bueno bye cheers ciao cool danke
    day done evening excellent fine glad goodbye good gracias grazie great haha hallo hello help helpful hey hi hola
    job k later lol lot lots many merci morning much nice night no nope obrigado oh ok okay perfect really right salut
    see so super sure thank thanks that that's there thx too ty understood very was welcome well wonderful wow yeah yep
    yes you you're your
    """.split()  # noqa: SIM905
)
"""Words of greetings, thanks and assent: a message of nothing else, without a question mark, asks nothing either."""
_OPTION = re.compile(r"^\s*(?:[-*]\s+)?[(\[]?([A-Za-z]|\d{1,2})[).:\]]+\s+(\S.*?)\s*$")
_INLINE = re.compile(r"(?:(?<=\s)|^)[(\[]?([A-Z])\)\s+")
_LABEL = r"videos? \d+(?: to \d+)?"
_AT_START = re.compile(rf"^(?:\W*(?:videos?|clips?|files?)\s*:)?[\W]*(?:{_LABEL}[\W]*(?:and\s+|or\s+)?)+(?=[A-Z¿¡])")
_AT_END = re.compile(rf"(?<=[.?!:])\s+(?:{_LABEL}[\s,;&]*(?:and\s+|or\s+)?)+[.\s]*$")


def named_videos(text: str) -> list[str]:
    """Return the videos that a text names, in order, once each.

    >>> named_videos("Compare clips/a.mp4#t=5,9 with https://host/b.mp4, please.")
    ['clips/a.mp4#t=5,9', 'https://host/b.mp4']
    """
    return list(dict.fromkeys(_named(found) for found in _MENTION.finditer(text)))


def label(first: int, count: int = 1) -> str:
    """Return the name by which the master knows a video, or several in a row."""
    return f"video {first}" if count == 1 else f"videos {first} to {first + count - 1}"


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """Return a text with the labels of named videos; a list of videos beside the question is left out."""
    lines = [_labelled(line, labels) for line in text.splitlines()]
    if None in lines:
        lines = [line for line in lines if line and not (line.rstrip().endswith(":") and asks_nothing(line))]
    return "\n".join(line for line in lines if line is not None).strip()


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text without its options, and the options.

    >>> split_options("Which is red?\\nA) the first\\nB) the second")
    ('Which is red?', ('the first', 'the second'))
    """
    lines = text.splitlines()
    for start in range(len(lines)):
        texts = _options_from(lines[start:])
        if len(texts) > 1:
            return "\n".join([*lines[:start], *lines[start + len(texts) :]]).strip(), tuple(texts)
    return _split_inline(text)


def asks_nothing(text: str) -> bool:
    """Return whether a text without its videos has no words that ask something.

    >>> asks_nothing("OK, thank you very much!"), asks_nothing("Thanks, and the second one?")
    (True, False)
    """
    words = set(re.findall(r"[^\W_]+(?:'\w+)?", text.casefold().replace("\u2019", "'")))
    return not words - _FILLER or ("?" not in text and not words - _FILLER - _COURTESY)


def with_quotes(text: str, files: Iterable[str]) -> str:
    """Return a text in which the names of these files that hold spaces stand in quotation marks.

    >>> with_quotes("What does drum solo.mp4 show?", ["solo.mp4", "drum solo.mp4"])
    'What does "drum solo.mp4" show?'
    """
    spaced = sorted((file for file in files if " " in file and file in text), key=len, reverse=True)
    names = "|".join(map(re.escape, spaced))
    return re.sub(rf"(?<![\w/\\\"'`\u201c\u2018])(?:{names})(?!\w)", r'"\g<0>"', text) if names else text


def _named(found: re.Match[str]) -> str:
    if found["url"]:
        return _trimmed(found["url"])
    return (found["link"] or found["quoted"] or found["path"] or found["folder"]).strip().rstrip(":")


def _trimmed(url: str) -> str:
    """Return a URL without the punctuation that ends a sentence behind it."""
    trimmed = url.rstrip(_AFTER_URL)
    return f"{trimmed})" if "(" in trimmed and url.startswith(f"{trimmed})") else trimmed


def _behind(found: re.Match[str]) -> str:
    """Return the punctuation behind a URL."""
    return found["url"][len(_trimmed(found["url"])) :] if found["url"] else ""


def _labelled(line: str, labels: Mapping[str, str]) -> str | None:
    if not _MENTION.search(line):
        return line
    beside = _MENTION.sub(lambda found: f" {_behind(found)}", line)
    if asks_nothing(beside) and "?" not in beside:
        return None

    def labelled(found: re.Match[str]) -> str:
        name = _named(found)
        return f"{labels[name]}{_behind(found)}" if name in labels else found[0]

    text = _MENTION.sub(labelled, line)
    return _AT_END.sub("", _AT_START.sub("", text)).strip()


def _options_from(lines: Sequence[str]) -> list[str]:
    """Return the texts of the options with which lines begin, labelled from A or 1 on."""
    texts: list[str] = []
    for number, line in enumerate(lines):
        found = _OPTION.match(line)
        if found is None or found[1].upper() not in (chr(ord("A") + number), str(number + 1)):
            break
        texts.append(found[2])
    return texts


def _split_inline(text: str) -> tuple[str, tuple[str, ...]]:
    """Split options within one line: `Which is red? A) the first B) the second`."""
    marks = list(_INLINE.finditer(text))
    letters = "".join(mark[1] for mark in marks)
    if len(marks) < 2 or letters != "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(marks)]:
        return text, ()
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    texts = [text[mark.end() : end].strip(" \n,;") for mark, end in zip(marks, ends, strict=True)]
    return text[: marks[0].start()].strip(), tuple(texts)
