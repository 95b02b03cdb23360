"""The careless demonstrator: it looks anywhere, and answers as well as what it happened to see allows.

Its demonstrations teach the language of actions and the reading of evidence, and nothing about where to look or when to
stop: videos, senses, windows, numbers of frames and the number of turns are drawn at random. That is left to
reinforcement learning.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from agentcvr_graph.models.offline_master.reading import Clip, Reading, Statement, read
from training.tiny.working_out import Worked, work_out

WHOLE = 0.3
"""Share of the looks that take in a whole video."""
LENGTHS_S = (5.0, 10.0, 20.0)
FRAMES = (2, 4, 8, 16, 24)
STOPS = 0.45
"""Chance to answer after a turn."""
MAX_LOOKS = 4
MAX_CITATIONS = 2
Call = dict[str, Any]


class CarelessMaster(BaseChatModel):
    """Takes random looks. The same seed and messages bring the same turn."""

    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "agentcvr-careless-master"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """It knows its tools already."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reading = read(messages)
        rng = _rng(self.seed, messages[1].text, reading.turn)
        return ChatResult(generations=[ChatGeneration(message=_turn(reading, rng))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(messages)  # it is quicker than a thread is started


def _turn(reading: Reading, rng: random.Random) -> AIMessage:
    looked = reading.turn > 0 and (rng.random() < STOPS or reading.turn >= MAX_LOOKS)
    if reading.closing or (looked and not reading.missing):
        return _answer(work_out(reading, rng))
    if reading.missing:
        calls = [_look(reading, rng, number) for number in reading.missing]
    else:
        calls = [_look(reading, rng, 0) for _ in range(rng.choice((1, 1, 2, 3)))]
    return AIMessage("", tool_calls=[{**call, "id": f"look_{n}"} for n, call in enumerate(calls)])


def _look(reading: Reading, rng: random.Random, number: int) -> Call:
    """A look at, or an ear for, a random window; of that video, or of any for 0."""
    clips = [clip for clip in reading.readable if clip.number == number] or reading.readable
    if rng.random() < 0.5:
        return {"name": "listen", "args": _window(rng.choice(clips), rng)}
    count = rng.choice((1, 1, len(clips)))
    chosen = sorted(rng.sample(clips, count), key=lambda clip: clip.number)
    return {"name": "observe", "args": {"targets": [{**_window(c, rng), "frames": rng.choice(FRAMES)} for c in chosen]}}


def _window(clip: Clip, rng: random.Random) -> Call:
    if rng.random() < WHOLE:
        return {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s}
    length_s = min(rng.choice(LENGTHS_S), clip.duration_s)
    start_s = float(rng.randrange(0, int(clip.duration_s - length_s) + 1))
    return {"video": clip.number, "start_s": start_s, "end_s": start_s + length_s}


def _answer(worked: Worked) -> AIMessage:
    value = list(worked.value) if isinstance(worked.value, tuple) else worked.value
    value = int(value) if isinstance(value, float) else value
    cited = [_citation(statement) for statement in worked.support[:MAX_CITATIONS]]
    call = {"name": "answer", "args": {"value": value, "citations": cited}, "id": "answer"}
    return AIMessage(worked.thought, tool_calls=[call])


def _citation(statement: Statement) -> Call:
    return {**statement.window.model_dump(), "modality": statement.modality}


def _rng(*parts: object) -> random.Random:
    digest = hashlib.blake2b("|".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))
