"""The random-exploration demonstrator: observes random windows, and answers as well as its evidence allows.

Its demonstrations teach the format of actions and the reading of evidence, but not where to look or when to stop:
videos, modalities, windows, numbers of frames and the number of turns are drawn at random. Those decisions are left to
reinforcement learning.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.offline.master.reading import Clip, Reading, Statement, read
from training.recipes.exploration.reasoning_trace import reasoning_trace_of
from training.recipes.exploration.traces import ReasoningTrace, open_windows

NAMED = 0.3
"""Probability that a partial window is the one that the question names, if it names one."""
LENGTHS_S = (5.0, 10.0, 20.0)
FRAMES = (2, 4, 8, 16, 24)
GRID_S = 5
"""Partial windows start at multiples of this."""
MAX_CITATIONS = 2
_NAMED_WINDOW = re.compile(r"([\d.]+) to ([\d.]+) s of video (\d)")
Call = dict[str, Any]


class RandomExplorationMaster(ChatModelBase):
    """A chat model that observes and listens at random. The same seed and messages give the same turn.

    A trace of the evidence guesses with the random generator of the turn. So it is made again wherever a turn needs
    its notes: the released demonstrations depend on the order of these draws.
    """

    seed: int = 0
    max_looks: int = 4
    """Maximum number of turns that observe or listen, unless the graph requires more."""
    whole: float = 0.3
    """Probability that a turn takes whole videos."""
    every: float = 0.5
    """Probability that a turn takes all videos; otherwise it takes one."""
    modalities: tuple[str, ...] = ("visual", "audio", "both")
    """The modalities from which a turn draws one."""
    frames: tuple[int, ...] = FRAMES
    """The numbers of frames from which a turn draws one."""
    lengths_s: tuple[float, ...] = LENGTHS_S
    """The lengths of partial windows from which a turn draws one."""
    closer: float = 0.0
    """Probability that a partial window is one in which something was seen or heard before, whatever it was."""
    noted: float = 0.0
    """Probability that a turn takes the windows that its notes leave open, if they name any."""
    starts: float = 0.0
    """Probability that another partial window starts where the video does."""
    stops: float = 0.45
    """Probability of answering after a turn."""
    settles: float | None = None
    """Probability of answering after a turn whose notes leave nothing open; None for that of any turn."""
    overview: tuple[int, ...] = ()
    """The numbers of frames from which a first turn draws one to show each video whole; none if that turn is like any
    other."""

    def _reply(self, request: ChatRequest) -> AIMessage:
        reading = read(request.messages)
        return self._turn(reading, random_for(self.seed, request.messages[1].text, reading.turn))

    async def _areply(self, request: ChatRequest) -> AIMessage:
        return self._reply(request)  # faster than starting a thread

    def _turn(self, reading: Reading, rng: random.Random) -> AIMessage:
        done = reading.turn > 0 and (rng.random() < self._stops(reading, rng) or reading.turn >= self.max_looks)
        if reading.closing or (done and not reading.missing):
            return answering(reasoning_trace_of(reading, rng))
        if self.overview and not reading.turn:
            return _turn_of(self._overview(reading, rng))
        clips = [clip for clip in reading.readable if clip.number in reading.missing]
        noted = self._noted(reading, rng)
        able = [clip for clip in reading.readable if clip.number in noted] if noted else reading.readable
        clips = clips or (able if rng.random() < self.every else [rng.choice(able)])
        options = TurnOptions.drawn(self, reading.statements, noted, rng)
        makers = {"visual": [_observe], "audio": [_listen], "both": [_observe, _listen]}[rng.choice(self.modalities)]
        calls = [call for make in makers for call in make(clips, reading.question, options)]
        calls = calls or _observe(clips, reading.question, options)
        notes = reasoning_trace_of(reading, rng).notes if reading.statements else ""
        return _turn_of(calls, notes)

    def _stops(self, reading: Reading, rng: random.Random) -> float:
        if self.settles is None or open_windows(reasoning_trace_of(reading, rng).notes):
            return self.stops
        return self.settles

    def _overview(self, reading: Reading, rng: random.Random) -> list[Call]:
        """Return a look at all videos whole, the first seconds of their sound, or both."""
        frames, length_s, modality = rng.choice(self.overview), rng.choice(self.lengths_s), rng.choice(self.modalities)
        whole = [
            {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s, "frames": frames}
            for clip in reading.readable
        ]
        heard: list[Call] = [
            {"name": "listen", "args": {"video": clip.number, "start_s": 0.0, "end_s": min(length_s, clip.duration_s)}}
            for clip in reading.readable
            if clip.has_words and modality != "visual"
        ]
        seen: list[Call] = [{"name": "observe", "args": {"targets": whole}}]
        return heard if heard and modality == "audio" else [*seen, *heard]

    def _noted(self, reading: Reading, rng: random.Random) -> Mapping[int, tuple[float, float]]:
        """Return the windows that the notes leave open, by video; none if this turn does not take them."""
        if not self.noted or not reading.statements or rng.random() >= self.noted:
            return {}
        found = open_windows(reasoning_trace_of(reading, rng).notes)
        return {clip.number: found[clip.number] for clip in reading.readable if clip.number in found}


@dataclass(frozen=True)
class TurnOptions:
    """Random choices of one turn: shared by all its windows, independent of the question."""

    rng: random.Random
    whole: bool
    length_s: float
    frames: int
    closer: float
    known: Sequence[Statement]
    """What was seen and heard before."""
    starts: float
    noted: Mapping[int, tuple[float, float]]
    """Start and end in seconds of the windows that this turn takes from its notes, by video."""

    @classmethod
    def drawn(
        cls,
        master: RandomExplorationMaster,
        known: Sequence[Statement],
        noted: Mapping[int, tuple[float, float]],
        rng: random.Random,
    ) -> TurnOptions:
        whole, length_s, frames = rng.random() < master.whole, rng.choice(master.lengths_s), rng.choice(master.frames)
        return cls(rng, whole, length_s, frames, master.closer, known, master.starts, noted)

    def window(self, clip: Clip, question: str) -> Call:
        """Return a window of a clip."""
        named = _NAMED_WINDOW.search(question)
        known = [one.window for one in self.known if one.window.video == clip.number] if self.closer else []
        if clip.number in self.noted:
            start_s, end_s = self.noted[clip.number]
        elif self.whole:
            start_s, end_s = 0.0, clip.duration_s
        elif named and int(named[3]) == clip.number and self.rng.random() < NAMED:
            start_s, end_s = float(named[1]), float(named[2])
        elif known and self.rng.random() < self.closer:
            window = self.rng.choice(known)
            start_s, end_s = window.start_s, window.end_s
        else:
            length_s = min(self.length_s, clip.duration_s)
            latest = 0 if self.starts and self.rng.random() < self.starts else int(clip.duration_s - length_s)
            start_s = float(self.rng.randrange(0, latest + 1, GRID_S))
            end_s = start_s + length_s
        return {"video": clip.number, "start_s": start_s, "end_s": end_s}


def _turn_of(calls: Sequence[Call], notes: str = "") -> AIMessage:
    return AIMessage(notes, tool_calls=[{**call, "id": f"look_{n}"} for n, call in enumerate(calls)])


def _observe(clips: Sequence[Clip], question: str, options: TurnOptions) -> list[Call]:
    targets = [{**options.window(clip, question), "frames": options.frames} for clip in clips]
    return [{"name": "observe", "args": {"targets": targets}}]


def _listen(clips: Sequence[Clip], question: str, options: TurnOptions) -> list[Call]:
    return [{"name": "listen", "args": options.window(clip, question)} for clip in clips if clip.has_words]


def answering(trace: ReasoningTrace) -> AIMessage:
    """Return the turn that answers."""
    value = list(trace.value) if isinstance(trace.value, tuple) else trace.value
    value = int(value) if isinstance(value, float) else value
    cited = [_citation(statement) for statement in trace.support[:MAX_CITATIONS]]
    call = {"name": "answer", "args": {"value": value, "citations": cited}, "id": "answer"}
    return AIMessage(trace.text, tool_calls=[call])


def _citation(statement: Statement) -> Call:
    return {**statement.window.model_dump(), "modality": statement.modality}


def random_for(*parts: object) -> random.Random:
    """Return a random generator whose seed is derived from the given parts alone."""
    digest = hashlib.blake2b("|".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))
