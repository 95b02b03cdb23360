"""Letters of options, shared by the kinds `choice` and `choices`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from agentcvr_graph.errors import ActionError

MAX_OPTIONS = len(ascii_uppercase)


def read_letter(text: str, options: Sequence[str]) -> str:
    """Return the option's letter for 'b', '(B)', 'B. its text', 'Option B', or for the option's text alone.

    Raises:
        ActionError: the text names none of the options.
    """
    wanted = text.strip().casefold()
    for letter, option in zip(ascii_uppercase, options, strict=False):
        if wanted == option.strip().casefold():
            return letter
    match = re.match(r"^\W*(?:option\s+|answer\s*:?\s+)?([a-z])(?:\W|$)", wanted)
    letters = ascii_uppercase[: len(options)]
    if match is None or match[1].upper() not in letters:
        raise ActionError(f"{text.strip()!r} is not one of the options {letters[0]} to {letters[-1]}.")
    return match[1].upper()


def option_of(letter: str, options: Sequence[str]) -> str:
    """Return the text of the option with this letter."""
    return options[ascii_uppercase.index(letter)]
