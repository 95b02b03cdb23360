"""A master that is careless on purpose in a share of the questions, to measure what checks of citations catch.

In those questions it cites, for each claim, another window: one of the same video where it observed something else. If
the question has options, its answer is the next option. After its citations were checked it answers as the offline
master does, which is the most that a check can bring about. It may also state its claims in its own words instead of
those that it read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import PrivateAttr

from agentcvr_graph.models.chat_base import ChatRequest
from agentcvr_graph.models.offline.master import OfflineMaster
from agentcvr_graph.models.offline.master.reading import Reading, Statement, read
from agentcvr_graph.render import CHECKED, read_picture
from agentcvr_graph.types import Citation, Window

Place = tuple[int, float, float]
Call = dict[str, Any]


class CarelessMaster(OfflineMaster):
    """The offline master, careless in a share of the questions. It needs tool calls."""

    share: float = 0.4
    own_words: bool = False
    """Whether claims are sentences of the master's own instead of what it read."""
    _wrong: set[tuple[str, Place]] = PrivateAttr(default_factory=set[tuple[str, Place]])

    def cited_wrongly(self, question: str, citation: Citation) -> bool:
        """Return whether a citation of the answer to a question is one that was made up."""
        return (question, _place(citation)) in self._wrong

    def _reply(self, request: ChatRequest) -> AIMessage:
        message, reading = super()._reply(request), read(request.messages)
        calls: list[Any] = [*message.tool_calls]
        rng = random.Random(f"careless/{reading.question}")
        if rng.random() < self.share and not _checked(request.messages):
            calls = [self._spoilt(call, reading, rng) for call in calls]
        if self.own_words:
            calls = [_in_own_words(call) for call in calls]
        return message.model_copy(update={"tool_calls": calls})

    def _spoilt(self, call: Call, reading: Reading, rng: random.Random) -> Call:
        """Return an answer with wrong windows, and with another option; other calls stay as they are."""
        cited: list[Call] = call["args"].get("citations", [])
        windows = [_window(one) for one in cited]
        arguments = {**call["args"], "citations": [self._moved(one, windows, reading, rng) for one in cited]}
        value = str(arguments.get("value"))
        if call["name"] == "answer" and reading.kind == "choice" and value in ascii_uppercase:
            arguments["value"] = ascii_uppercase[(ascii_uppercase.index(value) + 1) % len(reading.options)]
        return {**call, "args": arguments} if call["name"] == "answer" else call

    def _moved(self, cited: Call, windows: Sequence[Window], reading: Reading, rng: random.Random) -> Call:
        places = [
            one.window
            for one in reading.statements
            if one.window.video == cited["video"] and one.modality == cited["modality"] and _differs(one, cited)
            if not any(window.overlap_s(one.window) > 0 for window in windows)
        ]
        if not places:
            return cited
        place = rng.choice(places)
        self._wrong.add((reading.question, _place(place)))
        return {**cited, **place.model_dump()}


def _in_own_words(call: Call) -> Call:
    cited = [{**one, "claim": sentence(one["claim"])} for one in call["args"].get("citations", []) if "claim" in one]
    return {**call, "args": {**call["args"], "citations": cited}} if cited else call


def sentence(statement: str) -> str:
    """Return a statement as a sentence, without what is beside the point.

    >>> sentence('a cook stirs; on-screen text "ADD SALT"; mostly red; still'), sentence('"wash your hands"')
    ('The video shows a cook stirs, and the words ADD SALT can be read.', 'A voice says: wash your hands')
    """
    if statement.startswith('"'):
        return "A voice says: " + statement.strip('"')
    described, lines, colours, motion = read_picture(statement)
    parts = [f"the video shows {described}"] if described else []
    parts += [f"the words {' and '.join(lines)} can be read"] if lines else []
    text = ", and ".join(parts) or f"the picture is mostly {' and '.join(colours)} {motion}"
    return f"{text[0].upper()}{text[1:].strip()}."


def _checked(messages: Sequence[BaseMessage]) -> bool:
    return any(message.text.startswith(CHECKED) for message in messages)


def _differs(statement: Statement, cited: Call) -> bool:
    """Return whether a statement says something else than the claim, apart from colours and movement."""
    return read_picture(statement.text)[:2] != read_picture(str(cited.get("claim", "")))[:2]


def _window(cited: Call) -> Window:
    return Window(video=cited["video"], start_s=cited["start_s"], end_s=cited["end_s"])


def _place(window: Window) -> Place:
    return window.video, round(window.start_s, 1), round(window.end_s, 1)
