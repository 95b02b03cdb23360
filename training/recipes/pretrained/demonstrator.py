"""The random-exploration demonstrator in words that a pretrained model knows: short sentences, then JSON.

Where to look is drawn at random as in the recipe `tiny`, and left to the reward. What differs is how a turn is written:

    Wanted: tower, shoe a horse. Video 1: unknown. Video 2: tower is at 97.0-148.2. Video 3: tower, fold the flag: no.
    {"action": "observe", "arguments": {"targets": [{"video": 2, "start_s": 97, "end_s": 148.2, "frames": 16}]}}

The notes are those of `exploration/tour_traces.py`, whose marks are replaced by words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage

from agentcvr_graph.graph.dialects import write_calls
from agentcvr_graph.models.offline.master.reading import Reading
from training.recipes.exploration.random_demonstrator import RandomExplorationMaster
from training.recipes.exploration.traces import UNKNOWN

MOST_CITATIONS = 1
"""A citation takes 35 tokens, and the reward for citations needs no second one where one scene decides."""
_LIES_AT = re.compile(rf"^(.+) \{UNKNOWN}; ([\d.]+-[\d.]+)$")


class WritingMaster(RandomExplorationMaster):
    """A random-exploration demonstrator that writes JSON text. The same seed and messages give the same turn."""

    def _turn(self, reading: Reading, rng: random.Random) -> AIMessage:
        return in_words(super()._turn(reading, rng))


def in_words(turn: AIMessage) -> AIMessage:
    """Return a turn with notes and tool calls as a turn of the JSON dialect."""
    calls = [{"name": call["name"], "args": _short(call["args"])} for call in turn.tool_calls]
    written = write_calls(calls, "json").text
    return AIMessage("\n".join(part for part in (sentences(turn.text), written) if part))


def sentences(notes: str) -> str:
    """Return the notes of a reasoning trace as sentences.

    >>> sentences("wanted: mill, take a nap\\n[video 1, ?\\n[video 2, mill ?; 97.0-148.2")
    'Wanted: mill, take a nap. Video 1: unknown. Video 2: mill is at 97.0-148.2.'
    """
    notes, sorted_by, order = notes.partition(" sorted: ")
    lines = [*notes.splitlines(), *([f"sorted: {order.rstrip('.')}"] if sorted_by else [])]
    return " ".join(map(_sentence, lines))


def _sentence(line: str) -> str:
    video, comma, found = line.removeprefix("[").partition(", ")
    if not line.startswith("[video "):
        video, comma, found = line, "", ""
    found = _LIES_AT.sub(r"\1 is at \2", found).replace(f" {UNKNOWN}", f", {UNKNOWN}")
    words = f"{video}: {found}" if comma else video
    words = words.replace(UNKNOWN, "unknown").replace(",,", ",")
    return f"{words[:1].upper()}{words[1:]}."


def _short(value: Any) -> Any:
    """Return arguments with whole numbers as integers and few citations, because each digit is a token."""
    if isinstance(value, Mapping):
        return {name: _short(one) for name, one in _fewer(cast(Mapping[str, Any], value)).items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_short(one) for one in cast(Sequence[Any], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fewer(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with at most `MOST_CITATIONS` citations, and without the key if there are none."""
    kept = list(arguments.get("citations", ()))[:MOST_CITATIONS]
    others = {name: one for name, one in arguments.items() if name != "citations"}
    return {**others, "citations": kept} if kept else others
