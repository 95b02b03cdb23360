"""Remove the reasoning trace from a reply: nothing in it counts as an action, an answer, evidence or a script.

One rule for the master, the vision model, the judge and the simulator. Model families mark reasoning differently:

- tags such as `<think>`, `<thinking>`, `<reasoning>`, `<seed:think>`, `[THINK]`, in any letter case;
- other brackets: `◁think▷`, `<|begin_of_thought|>`, `<|START_THINKING|>`, `<unused94>`;
- channels of the Harmony format, with their special tokens or after a server removed them.

Whatever stands before the last closing mark is thought, because nested marks and a missing opening mark cannot be told
apart. If nothing follows it, the text outside complete blocks is the reply. A block that is never closed is thought to
its end. The module does not know answers, actions or tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_THOUGHT = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?(?:[_ -]content)?)"
_NAME = (
    rf"(?:(?:[a-z][\w.-]{{0,15}}[:_])?(?:ant|inner[_ -]?)?{_THOUGHT}"
    r"|(?:[a-z][\w.-]{0,15}:)?(?:inner[_ -]?)?"
    r"(?:reflect(?:ion)?|scratch_?pad|analysis|chain[_-]of[_-]thought|cot|ponder(?:ing)?|monologue))"
)
_LT, _GT = r"(?:<|&lt;|\uff1c)", r"(?:>|&gt;|\uff1e)"
_MARK = re.compile(
    rf"(?=(?:[\[\u25c1]|{_LT})[\s/|\uff5c]*+[a-z])"  # most positions end here
    rf"(?:(?P<open>{_LT}\s*{_NAME}(?:\s[^<>]{{0,80}})?{_GT}|\[{_NAME}\]|\u25c1{_NAME}\u25b7|<[|\uff5c]{_THOUGHT}[|\uff5c]>"
    rf"|<\|(?:begin|start)_of_{_THOUGHT}\|>|<\|START_THINKING\|>|<unused94>|<\|channel>\s*thought)"
    rf"|(?P<close>{_LT}\s*/\s*{_NAME}\s*{_GT}|\[/{_NAME}\]|\u25c1/{_NAME}\u25b7|<[|\uff5c]/{_THOUGHT}[|\uff5c]>"
    rf"|<\|end_of_{_THOUGHT}\|>|<\|END_THINKING\|>|<unused95>|<channel\|>))",
    re.I,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_BARE_CHANNELS = re.compile(r"\A\s*(?:assistant\s?)?analysis(?=[A-Z\W]).*assistant\s?final(?=[^a-z]|[a-z])", re.S)
_BARE_ANALYSIS = re.compile(r"\A\s*(?:assistant\s?)?analysis[A-Z]")


def without_thoughts(text: str) -> str:
    """Return a reply without its reasoning, even if the reasoning has no opening or no closing mark.

    >>> without_thoughts("<think>Hm, 7?</think>It is 8.")
    'It is 8.'
    >>> without_thoughts("Is it 7? No.</think>It is 8.")
    'It is 8.'
    >>> without_thoughts("<think>Is it 7?")
    ''
    """
    return _without_blocks(_final_channel(text))


def _without_blocks(text: str) -> str:
    marks = list(_MARK.finditer(text))
    closing = next((mark for mark in reversed(marks) if mark["close"]), None)
    if closing is None:
        return text[: marks[0].start()] if marks else text
    after = text[closing.end() :]
    opened = _MARK.search(after)
    after = after[: opened.start()] if opened else after
    return after if after.strip() else "".join(_outside(text, marks))


def _outside(text: str, marks: list[re.Match[str]]) -> Iterator[str]:
    """Yield the text outside complete blocks, after the last closing mark that no opening mark precedes."""
    depth, start = 0, 0
    kept: list[str] = []
    for mark in marks:
        if mark["open"]:
            if depth == 0:
                kept.append(text[start : mark.start()])
            depth += 1
            continue
        if depth == 0:
            kept.clear()
        depth, start = max(0, depth - 1), mark.end()
    yield from kept
    if depth == 0:
        yield text[start:]


def _final_channel(text: str) -> str:
    """Return what a Harmony reply says outside its channel `analysis`."""
    found = list(_CHANNEL.finditer(text))
    if found:
        return "\n".join(_channel_text(text, match) for match in found if match[1].casefold() != "analysis")
    if bare := _BARE_CHANNELS.match(text):
        return text[bare.end() :]
    return "" if _BARE_ANALYSIS.match(text) else text


def _channel_text(text: str, match: re.Match[str]) -> str:
    end = _CHANNEL_END.search(text, match.end())
    return text[match.end() : end.start() if end else len(text)]
