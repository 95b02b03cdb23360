"""The kind `order`: the numbers of the options, or of the videos where there are no options, in order.

In a text, an order is a chain: items with arrows, commas, "then" and the like between them. A chain must hold each item
once. Ordinals that are out of step ("video 1 is second, video 2 first") and words such as "after" turn the chain
around, so such texts are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.answers.folding import fold, plain, shortened, without_numbering
from agentcvr_graph.answers.letters import OptionSet, UnclearError, option_set
from agentcvr_graph.answers.shapes import is_list, is_object
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import AnswerValue

_NOUN = (
    r"(?:videos?|clips?|segments?|items?|steps?|options?|events?|parts?"
    r"|scenes?|no\.?|nr\.?|number|v|s(?=\d)|seg|视频|片段|第|[#(\[\"'])"
)
_ITEM = re.compile(
    rf"(?:{_NOUN}[\s_]{{0,3}}){{0,4}}(?P<item>\d+(?:\.0+)?(?![\d.:]\d|\d)|(?<![A-Za-z])[A-Z](?![\w']))[)\]\"']*", re.I
)
_LINK = re.compile(
    r"(?:\s|->|[>,;/|&-]|(?<!\d):|\((?![A-Z]\))[^()\d]{0,80}\)|\.(?!\d)|\b(?:and|then|finally|lastly|last|next|followed\s+by|before|first|second|third|fourth|fifth|sixth"
    r"|starts?|starting|with|comes?|is|it's|by|after\s+that|afterwards?|which|the|ends?|ending|\d(?:st|nd|rd|th))\b|然后|接着|最后|再|、)+",
    re.I,
)
_ORDINAL_LABEL = re.compile(r"\b([1-9])(?:st|nd|rd|th)\b\s*[:=-]\s*")
_OPENING = re.compile(r"^(?:(?:and|then|(?:first|second|third)(?:ly)?|finally|lastly|last|next)\b|[\s,:])+", re.I)
_LABEL = re.compile(r"(\d{1,2}|[A-Z])[.):]\s+(?=\S)")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)}|([1-9])(?:st|nd|rd|th)|last(?:ly)?|finally)\b", re.I)
_REVERSED = re.compile(
    r"\bafter\b(?!\s+(?:that|this|which|wards))|<-|<|\bpreceded\b|\bnot\b|n't\b|\bor\b|\bfollows\b|\breverse|\b(?:wrong|incorrect)\b",
    re.I,
)
_AS_GIVEN = re.compile(
    r"\b(?:given|originally|initially|listed|shuffled|presented|numbered|labell?ed)\b|\b(?:videos|clips|segments|items|steps|options"
    r"|events|parts|scenes)\s+(?=1\b)",
    re.I,
)
"""Words that make 1, 2, 3 a list of what there is: "segments 1, 2 and 3"."""


def parse(raw: object, options: Sequence[str], n_items: int) -> str:
    """Return '2->1->3' for that, [2, 1, 3], '2, 1, 3', '213' or 'B then A then C'.

    Raises:
        ActionError: the value does not hold each of 1 to `n_items` once.
    """
    if is_object(raw):
        raise _no_order(raw, n_items)
    if is_list(raw):
        numbers = _of_list(raw, options, n_items)
    else:
        numbers = _of_text(plain(fold("" if raw is None else str(raw))), options, n_items)
    if sorted(numbers) != list(range(1, n_items + 1)):
        raise _no_order(raw, n_items)
    return "->".join(str(number) for number in numbers)


def _no_order(raw: object, n_items: int) -> ActionError:
    example = "->".join(str(n) for n in range(1, n_items + 1))
    return ActionError(f"{shortened(raw)} does not put 1 to {n_items} in order, each once, as in '{example}'.")


def _of_list(items: Sequence[object], options: Sequence[str], n_items: int) -> list[int]:
    if len(items) == 1 and not isinstance(items[0], int | float):
        return [int(number) for number in parse(items[0], options, n_items).split("->")]
    return [_position(plain(fold(str(item))), options) for item in items]


def _position(text: str, options: Sequence[str]) -> int:
    """Return 1 for '1', '1.0', 'video 1', 'A' or the text of the first option; 0 for anything else."""
    match = _ITEM.fullmatch(text.strip(" .:"))
    if match is not None:
        return _number(match["item"])
    own = option_set(tuple(map(str, options)))
    letter = own.exactly(text)
    return ascii_uppercase.index(letter) + 1 if letter else 0


def _number(item: str) -> int:
    return int(float(item)) if item[0].isdigit() and len(item) < 10 else _letter(item)


def _letter(item: str) -> int:
    return ascii_uppercase.find(item.upper()) + 1 if len(item) == 1 else 0


def _of_text(text: str, options: Sequence[str], n_items: int) -> list[int]:
    text = _without_ordinals(without_numbering(text))
    bare = text.strip(" .[]()\"'")
    if bare.isdigit() and 1 < len(bare) == n_items <= 9:
        return [int(digit) for digit in bare]
    if bare.isalpha() and bare.isupper() and sorted(bare) == list(ascii_uppercase[:n_items]):
        return [_letter(letter) for letter in bare]
    if by_texts := _by_texts(text, options):
        return by_texts
    wanted = list(range(1, n_items + 1))
    chains = {tuple(chain) for chain in _chains(text) if sorted(chain) == wanted}
    if not chains:
        return []
    if chains == {tuple(wanted)} and _AS_GIVEN.search(text):
        return []
    if len(chains) > 1 or text.rstrip().endswith("?") or not _in_step(text) or _REVERSED.search(text):
        raise UnclearError(
            f"{shortened(text)} is not plainly one order; write it as in '{'->'.join(map(str, wanted))}'."
        )
    return list(chains.pop())


def _without_ordinals(text: str) -> str:
    """Return the text without the ordinals in "1st: 2, 2nd: 1", if they count upwards from 1."""
    found = [int(match[1]) for match in _ORDINAL_LABEL.finditer(text)]
    return _ORDINAL_LABEL.sub("", text) if found == list(range(1, len(found) + 1)) else text


def _by_texts(text: str, options: Sequence[str]) -> list[int]:
    """Return the order of options that are named by their texts: "add meat -> add salt -> stir"."""
    if not options:
        return []
    own = option_set(tuple(map(str, options)))
    for sign in (r"->|;|\n|>|\bthen\b", r",", r",|\band\b"):
        split = (_OPENING.sub("", part).strip(" ,.") for part in re.split(rf"\s*(?:{sign})\s*", text))
        parts = [part for part in split if part]
        if len(parts) == len(options):
            break
    else:
        return []
    letters = [_labelled(part, own) for part in parts]
    by_text = not any(len(part.strip(" .()")) == 1 for part in parts)
    return [ascii_uppercase.index(letter) + 1 for letter in letters if letter] if all(letters) and by_text else []


def _labelled(part: str, own: OptionSet) -> str | None:
    """Return the letter of the option whose text stands in a part, alone or behind its own number: "2. add meat"."""
    label = _LABEL.match(part)
    letter = own.exactly(part[label.end() :] if label else part)
    agrees = letter and (not label or _number(label[1]) == ascii_uppercase.index(letter) + 1)
    return letter if agrees else None


def _chains(text: str) -> Iterator[list[int]]:
    """Yield the longest chains of items, as numbers."""
    position = 0
    while match := _next_item(text, position):
        chain, position = [_number(match["item"])], match.end()
        while True:
            link = _LINK.match(text, position)
            after = link.end() if link else position
            following = _ITEM.match(text, after) if link or text[position : position + 1] in ("(", "[") else None
            if following is None or (following["item"].islower() and "->" not in text[position:after]):
                break
            chain.append(_number(following["item"]))
            position = following.end()
        if len(chain) > 1:
            yield chain


def _next_item(text: str, position: int) -> re.Match[str] | None:
    for match in _ITEM.finditer(text, position):
        before = text[max(0, match.start() - 1) : match.start()]
        if not ((before.isascii() and before.isalnum()) or before in (".", ":") and match["item"].isdigit()):
            return match
    return None


def _in_step(text: str) -> bool:
    """Return whether the ordinals of a text count upwards from the first."""
    places = [_ordinal(match) for match in _ORDINAL.finditer(text)]
    return places == sorted(places)


def _ordinal(match: re.Match[str]) -> int:
    word = match[1].casefold()
    return int(match[2]) if match[2] else _ORDINALS.index(word) + 1 if word in _ORDINALS else 99


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same order, else 0."""
    return float(str(value).strip().casefold() == str(key).strip().casefold())


def check(options: Sequence[str], n_items: int) -> None:
    """Raise `InputError` where there are fewer than 2 items."""
    if n_items < 2:
        raise InputError("There is only one thing to put in order.", fix="Give at least 2 videos or options.")


ORDER = AnswerSpec(
    name="order",
    format='the numbers in order, for example "2->1->3"',
    parse=parse,
    score=score,
    schema=lambda labels, n_items: {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": n_items},
        "minItems": n_items,
        "maxItems": n_items,
    },
    check=check,
    spans_lines=True,
    numbers_options=True,
    chance=lambda n_options, n_videos: 1 / math.factorial(n_videos),
)
