"""A master that is careless on purpose in a share of the questions, to measure what checks of citations catch.

In those questions it cites, for each claim, another window: one of the same video where it observed something else. If
the question has options, its answer is the next option. After its citations were checked it answers as the offline
master does, which is the most that a check can bring about.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import PrivateAttr

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.offline.master.chat_model import as_turn, decide, wants_claims
from agentcvr_graph.models.offline.master.reading import Reading, Statement, read
from agentcvr_graph.render import CHECKED, read_picture
from agentcvr_graph.types import Citation, ClaimedCitation

Place = tuple[int, float, float]


class CarelessMaster(ChatModelBase):
    """The offline master, careless in a share of the questions."""

    share: float = 0.4
    own_words: bool = False
    """Whether claims are sentences of the master's own instead of what it read."""
    _wrong: set[tuple[str, Place]] = PrivateAttr(default_factory=set[tuple[str, Place]])

    def cited_wrongly(self, question: str, citation: Citation) -> bool:
        """Return whether a citation of the answer to a question is one that was made up."""
        return (question, _place(citation)) in self._wrong

    def _reply(self, request: ChatRequest) -> AIMessage:
        reading = replace(read(request.messages), claims=wants_claims(request))
        thought, calls = decide(reading)
        rng = random.Random(f"careless/{reading.question}")
        if rng.random() < self.share and not _checked(request.messages):
            calls = [self._spoilt(call, reading, rng) for call in calls]
        if self.own_words and reading.claims:
            calls = [_in_own_words(call) for call in calls]
        count = sum(isinstance(message, AIMessage) for message in request.messages)
        return as_turn(thought, calls, count, as_tools=bool(request.tools))

    def _spoilt(self, call: Mapping[str, Any], reading: Reading, rng: random.Random) -> dict[str, Any]:
        """Return an answer with wrong windows, and with another option; other calls stay as they are."""
        if call["name"] != "answer":
            return dict(call)
        cited = [
            ClaimedCitation(claim="", **one) if "claim" not in one else ClaimedCitation(**one)
            for one in call["args"]["citations"]
        ]
        moved = [self._moved(one, cited, reading, rng) for one in cited]
        keys = {"video", "start_s", "end_s", "modality", *(["claim"] if reading.claims else [])}
        arguments = {**call["args"], "citations": [one.model_dump(include=keys) for one in moved]}
        if reading.kind == "choice" and reading.options:
            chosen = ascii_uppercase.index(str(arguments["value"]))
            arguments["value"] = ascii_uppercase[(chosen + 1) % len(reading.options)]
        return {"name": "answer", "args": arguments}

    def _moved(
        self, cited: ClaimedCitation, all_cited: Sequence[ClaimedCitation], reading: Reading, rng: random.Random
    ) -> ClaimedCitation:
        places = [
            one.window
            for one in reading.statements
            if one.window.video == cited.video and one.modality == cited.modality and _differs(one, cited)
            if not any(other.overlap_s(one.window) > 0 for other in all_cited)
        ]
        if not places:
            return cited
        moved = cited.model_copy(update=rng.choice(places).model_dump())
        self._wrong.add((reading.question, _place(moved)))
        return moved


def _in_own_words(call: Mapping[str, Any]) -> dict[str, Any]:
    if call["name"] != "answer":
        return dict(call)
    cited = [{**one, "claim": sentence(one["claim"])} for one in call["args"]["citations"]]
    return {**call, "args": {**call["args"], "citations": cited}}


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


def _differs(statement: Statement, cited: ClaimedCitation) -> bool:
    """Return whether a statement says something else than the claim, apart from colours and movement."""
    return read_picture(statement.text)[:2] != read_picture(cited.claim)[:2]


def _place(citation: Citation) -> Place:
    return citation.video, round(citation.start_s, 1), round(citation.end_s, 1)
