"""The kind `order`: the numbers of the options, or of the videos where there are no options, in order."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import cast

from agentcvr_graph.answers.base import AnswerSpec
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.types import AnswerValue

_SEPARATORS = re.compile(r"\s*(?:->|→|>|,|;|\bthen\b|\s)\s*")


def parse(raw: object, options: Sequence[str], n_items: int) -> str:
    """Return '2->1->3' for that, [2, 1, 3], '2, 1, 3', '213' or 'B then A then C'."""
    if isinstance(raw, list):
        tokens = [str(item) for item in cast(list[object], raw)]
    else:
        tokens = [token for token in _SEPARATORS.split(" ".join(str(raw).split()).strip(" []()")) if token]
    if len(tokens) == 1 and tokens[0].isdigit() and 1 < len(tokens[0]) == n_items <= 9:
        tokens = list(tokens[0])
    numbers = [_position(token) for token in tokens if not re.fullmatch(r"(?i)videos?|items?|and", token)]
    if sorted(numbers) != list(range(1, n_items + 1)):
        example = "->".join(str(n) for n in range(1, n_items + 1))
        raise ActionError(f"{raw!r} does not put 1 to {n_items} in order, each once, as in '{example}'.")
    return "->".join(str(number) for number in numbers)


def score(value: AnswerValue, key: AnswerValue) -> float:
    """Return 1 for the same order, else 0."""
    return float(str(value).strip().casefold() == str(key).strip().casefold())


def check(options: Sequence[str], n_items: int) -> None:
    """Raise `InputError` where there are fewer than 2 items."""
    if n_items < 2:
        raise InputError("There is only one thing to put in order.", fix="Give at least 2 videos or options.")


def _position(token: str) -> int:
    """Return 1 for '1', '1.', 'video1' or 'A'; 0 for anything else."""
    digits = re.search(r"\d+", token)
    if digits:
        return int(digits[0])
    letter = token.strip(" .():").upper()
    return ascii_uppercase.index(letter) + 1 if len(letter) == 1 and letter in ascii_uppercase else 0


ORDER = AnswerSpec(
    name="order",
    format='the numbers in order, for example "2->1->3"',
    parse=parse,
    score=score,
    check=check,
    numbers_options=True,
    chance=lambda n_options, n_videos: 1 / math.factorial(n_videos),
)
