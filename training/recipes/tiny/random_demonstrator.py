"""The careless demonstrator: it looks anywhere, and answers as well as what it happened to see allows.

Its demonstrations teach the language of actions and the reading of evidence, and nothing about where to look or when to
stop: videos, senses, windows, numbers of frames and the number of turns are drawn at random. That is left to
reinforcement learning.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement, read
from training.recipes.tiny.reasoning_trace import Worked, reasoning_trace_of

NAMED = 0.3
"""Share of the other looks that take a window which the question names, where it names one."""
LENGTHS_S = (5.0, 10.0, 20.0)
FRAMES = (2, 4, 8, 16, 24)
STOPS = 0.45
"""Chance to answer after a turn."""
GRID_S = 5
"""Windows that are not whole start at multiples of this."""
MAX_CITATIONS = 2
_NAMED_WINDOW = re.compile(r"([\d.]+) to ([\d.]+) s of video (\d)")
Call = dict[str, Any]


class RandomExplorationMaster(ChatModelBase):
    """Takes random looks. The same seed and messages bring the same turn."""

    seed: int = 0
    max_looks: int = 4
    """Turns that look, at most; unless the graph asks for more."""
    whole: float = 0.3
    """Share of the turns that take in whole videos."""
    every: float = 0.5
    """Share of the turns that turn to all videos; the others to one."""
    senses: tuple[str, ...] = ("eyes", "ears", "both")
    """A turn uses one of these."""
    frames: tuple[int, ...] = FRAMES
    """A look takes one of these numbers of frames."""

    def _reply(self, request: ChatRequest) -> AIMessage:
        reading = read(request.messages)
        return self._turn(reading, random_for(self.seed, request.messages[1].text, reading.turn))

    async def _areply(self, request: ChatRequest) -> AIMessage:
        return self._reply(request)  # faster than starting a thread

    def _turn(self, reading: Reading, rng: random.Random) -> AIMessage:
        looked = reading.turn > 0 and (rng.random() < STOPS or reading.turn >= self.max_looks)
        if reading.closing or (looked and not reading.missing):
            return answering(reasoning_trace_of(reading, rng))
        clips = [clip for clip in reading.readable if clip.number in reading.missing]
        clips = clips or (reading.readable if rng.random() < self.every else [rng.choice(reading.readable)])
        mood = Mood.drawn(self.whole, self.frames, rng)
        looks = {"eyes": [_observe], "ears": [_listen], "both": [_observe, _listen]}[rng.choice(self.senses)]
        calls = [call for look in looks for call in look(clips, reading.question, mood)]
        calls = calls or _observe(clips, reading.question, mood)
        notes = reasoning_trace_of(reading, rng).notes if reading.statements else ""
        return AIMessage(notes, tool_calls=[{**call, "id": f"look_{n}"} for n, call in enumerate(calls)])


@dataclass(frozen=True)
class Mood:
    """How one turn looks: the same for all windows in it, and nothing to do with the question."""

    rng: random.Random
    whole: bool
    length_s: float
    frames: int

    @classmethod
    def drawn(cls, whole: float, frames: Sequence[int], rng: random.Random) -> Mood:
        return cls(rng, rng.random() < whole, rng.choice(LENGTHS_S), rng.choice(frames))

    def window(self, clip: Clip, question: str) -> Call:
        """A window of a clip."""
        named = _NAMED_WINDOW.search(question)
        if self.whole:
            start_s, end_s = 0.0, clip.duration_s
        elif named and int(named[3]) == clip.number and self.rng.random() < NAMED:
            start_s, end_s = float(named[1]), float(named[2])
        else:
            length_s = min(self.length_s, clip.duration_s)
            start_s = float(self.rng.randrange(0, int(clip.duration_s - length_s) + 1, GRID_S))
            end_s = start_s + length_s
        return {"video": clip.number, "start_s": start_s, "end_s": end_s}


def _observe(clips: Sequence[Clip], question: str, mood: Mood) -> list[Call]:
    targets = [{**mood.window(clip, question), "frames": mood.frames} for clip in clips]
    return [{"name": "observe", "args": {"targets": targets}}]


def _listen(clips: Sequence[Clip], question: str, mood: Mood) -> list[Call]:
    return [{"name": "listen", "args": mood.window(clip, question)} for clip in clips if clip.has_words]


def answering(worked: Worked) -> AIMessage:
    """The turn that answers."""
    value = list(worked.value) if isinstance(worked.value, tuple) else worked.value
    value = int(value) if isinstance(value, float) else value
    cited = [_citation(statement) for statement in worked.support[:MAX_CITATIONS]]
    call = {"name": "answer", "args": {"value": value, "citations": cited}, "id": "answer"}
    return AIMessage(worked.thought, tool_calls=[call])


def _citation(statement: Statement) -> Call:
    return {**statement.window.model_dump(), "modality": statement.modality}


def random_for(*parts: object) -> random.Random:
    """A stream of its own for every seed and place."""
    digest = hashlib.blake2b("|".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))
