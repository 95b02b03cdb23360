"""Reading: share of answers and media files that are read as they are meant, and of those read as something else.

- **Cases**: values and replies as models wrote them, from `tests/data`.
- **Replies**: generated in the styles of model families over questions of benchmark shape (`model_replies.py`), beside
  a baseline that takes the first capital letter of an option, as many evaluation scripts do.
- **Yes and no**: options "Yes." and "No.", the shape of 137 questions of CVBench.
- **Media**: files of many containers, with late tracks, holes, jumps and damage (`clock_media.py`), in which the second
  is seen and heard: their length, and every half second of their picture and sound.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agentcvr_graph.answers import parse_answer, read_reply
from agentcvr_graph.errors import ActionError
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.types import Video
from tests.benchmarks.rows import Row
from tests.support.clock_media import CLOCKS, make_clocks, reads_as_it_plays
from tests.support.model_replies import YES_NO_COUNT, YES_NO_OPTIONS, Written, written_replies, yes_no_replies

DATA = Path(__file__).parents[1] / "data"
COUNT = 3000
SHARE = 0.99
Read = Callable[[Written], Any]


def rows() -> Iterator[Row]:
    """Yield the rows as they are measured."""
    yield _cases("values of tool calls", "written_answers.jsonl", lambda *question: parse_answer(*question).value)
    yield _cases("whole replies", "written_replies.jsonl", read_reply)
    replies = list(written_replies(COUNT))
    for kind in dict.fromkeys(one.kind for one in replies):
        yield _styles(kind, [one for one in replies if one.kind == kind])
    yield _share(f"all {COUNT:,} replies", replies, _ours, SHARE)
    choices = [one for one in replies if one.kind == "choice"]
    yield _share(f"baseline: first letter found, {len(choices):,} replies of kind choice", choices, _first_letter, None)
    right = sum(_outcome(reply, YES_NO_OPTIONS) == letter for reply, letter in yes_no_replies())
    yield Row(
        "yes and no, options with full stops", f"{right} of {YES_NO_COUNT}", f"{YES_NO_COUNT}", right == YES_NO_COUNT
    )
    with tempfile.TemporaryDirectory() as folder:
        yield _media(Path(folder))


def _media(folder: Path) -> Row:
    make_clocks(folder)
    library = MediaLibrary(cache_dir=folder / "cache")
    wrong = [
        name
        for name, clock in CLOCKS.items()
        if not reads_as_it_plays(library.open(Video(source=str(folder / name))), clock)
    ]
    figure = f"{len(CLOCKS) - len(wrong)} of {len(CLOCKS)}" + (f", not {', '.join(wrong)}" if wrong else "")
    return Row("media files with the right length, picture and sound", figure, f"{len(CLOCKS)}", not wrong)


def _cases(what: str, name: str, read: Callable[..., Any]) -> Row:
    stored = list(map(json.loads, (DATA / name).read_text(encoding="utf-8").splitlines()))
    right = sum(
        _value(read, row["written"], row["kind"], row["options"], row["items"]) == row["value"] for row in stored
    )
    return Row(f"{what}: {len(stored)} cases", f"{100 * right / len(stored):.1f} %", "100 %", right == len(stored))


def _styles(kind: str, replies: Sequence[Written]) -> Row:
    """Return the row of a kind, with its worst style."""
    failed = Counter(one.style for one in replies if _ours(one) != one.value)
    total = Counter(one.style for one in replies)
    shares = {style: 1 - failed[style] / total[style] for style in total}
    worst = min(shares, key=lambda style: shares[style])
    figure = f"{len(total)} styles, worst {100 * shares[worst]:.1f} % ({worst})"
    return Row(
        f"replies of kind {kind}: {len(replies):,}", figure, f">= {100 * SHARE:g} % each", shares[worst] >= SHARE
    )


def _share(what: str, replies: Sequence[Written], read: Read, target: float | None) -> Row:
    values = [read(one) for one in replies]
    right = sum(value == one.value for value, one in zip(values, replies, strict=True))
    misread = sum(value not in (one.value, None) for value, one in zip(values, replies, strict=True))
    figure = f"{100 * right / len(replies):.1f} % right, {misread} misread"
    if target is None:
        return Row(what, figure)
    return Row(what, figure, f">= {100 * target:g} %, 0 misread", right >= target * len(replies) and not misread)


def _ours(one: Written) -> Any:
    value = _value(read_reply, one.reply, one.kind, list(one.options), one.n_items)
    return tuple(value) if one.kind == "interval" and value else value


def _first_letter(one: Written) -> str | None:
    match = re.search(f"[{'ABCDEFGH'[: len(one.options)]}]", one.reply)
    return match[0] if match else None


def _outcome(reply: str, options: Sequence[str]) -> Any:
    return _value(read_reply, reply, "choice", list(options), len(options))


def _value(read: Callable[..., Any], *question: Any) -> Any:
    try:
        value = read(*question)
    except ActionError:
        return None
    return list(value) if isinstance(value, tuple) else value
