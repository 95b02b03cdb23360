"""Remove the reasoning trace from a reply: nothing in it counts as an action, evidence or a script."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.S)


def without_thoughts(text: str) -> str:
    """Return a reply without its `<think>` blocks, even if it ends inside one.

    >>> without_thoughts("<think>Hm, 7?</think>It is 8.")
    'It is 8.'
    """
    return _THOUGHT.sub("", text)
