"""What reasoning models write before they speak: it is theirs, and nothing in it is an action, evidence or a script."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.S)


def without_thoughts(text: str) -> str:
    """A reply without its `<think>` blocks, also one that was cut off inside of them.

    >>> without_thoughts("<think>Hm, 7?</think>It is 8.")
    'It is 8.'
    """
    return _THOUGHT.sub("", text)
