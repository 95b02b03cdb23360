"""Graphs that only tests serve: slow ones, with a master that streams, searches, looks until the end, or has no key.

`slow` observes its first video twice. The first observation returns immediately; the second takes `SLOW_S` seconds
unless it is cancelled. Both are logged in the file that `AGENTCVR_TEST_LOG` names, one event per line: `begun`,
`stopped` or `done`, the video, and the start of the window.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentcvr_graph import SetupError, create_cvr_graph
from agentcvr_graph.graph.builder import CompiledCVRGraph
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import Features
from agentcvr_graph.types import Observation, Observe, Video, VideoInfo

SLOW_S = 4.0
TURNS = (turn("I look.", observe((1, 0, 5, 2))), turn("I look again.", observe((1, 20, 30, 4))))
WORDS = (
    'I look. {"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 9, "frames": 2}]}}',
    '{"action": "answer", "arguments": {"value": "a red ball"}}',
)


class SlowPerception(FakePerception):
    """A perception that observes windows from second 20 on slowly."""

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        (target,) = request.targets
        window = f"{videos[0].video.source} {target.start_s:g}"
        await _log(f"begun {window}")
        try:
            await asyncio.sleep(SLOW_S if target.start_s >= 20 else 0)
        except asyncio.CancelledError:
            await _log(f"stopped {window}")
            raise
        await _log(f"done {window}")
        return await super().observe(request, videos)


def make_slow() -> CompiledCVRGraph:
    """Build a graph that makes two observations per question, the second of them slow, then answers."""
    return create_cvr_graph(FakeMaster(turns=[_next_turn] * 1000), SlowPerception()).compile()


def make_talking() -> CompiledCVRGraph:
    """Build a graph whose master streams JSON word by word. It serves one question at a time."""
    master = GenericFakeChatModel(messages=itertools.cycle(map(AIMessage, WORDS)))
    return create_cvr_graph(master, FakePerception()).compile()


def make_until_told() -> CompiledCVRGraph:
    """Build a graph that observes in every turn until only an answer is allowed."""
    return create_cvr_graph(FakeMaster(turns=[_look_until_told] * 1000), FakePerception()).compile()


def make_refused() -> CompiledCVRGraph:
    """Build a graph whose master's key is refused in its first call."""
    return create_cvr_graph(FakeMaster(turns=[_refuse] * 1000), FakePerception()).compile()


class IndexedPerception(FakePerception):
    """A perception of videos whose content is named by their first letter."""

    index_folder = Path("index")

    def reference_key(self, video: Video) -> str:
        """Return the source."""
        return video.source

    async def reference_stamp(self, video: Video) -> str:
        """Return one stamp for all."""
        return "1"

    async def evidence_key(self, info: VideoInfo) -> str:
        """Return the first letter."""
        return info.title[0]


def make_searching() -> CompiledCVRGraph:
    """Build a graph that searches the index of the server's store, and answers."""
    search = turn("", {"name": "find", "args": {"query": "sphere"}, "id": "f"})
    master = FakeMaster(turns=[search, turn("", answer("a red ball"))] * 1000)
    features = Features(find="store")
    return create_cvr_graph(master, IndexedPerception(text="a red ball"), features=features).compile()


async def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return vectors for which a sphere is a ball."""
    return [[1.0, float("ball" in text or "sphere" in text)] for text in texts]


def _refuse(messages: Sequence[BaseMessage]) -> AIMessage:
    raise SetupError("The model refused the API key (HTTP 401).", fix="Set OPENAI_API_KEY.")


def _look_until_told(messages: Sequence[BaseMessage]) -> AIMessage:
    return turn("", answer("a red ball")) if "call answer now" in messages[-1].text else TURNS[0]


def _next_turn(messages: Sequence[BaseMessage]) -> AIMessage:
    start = max(n for n, message in enumerate(messages) if isinstance(message, HumanMessage))
    done = sum(isinstance(message, ToolMessage) for message in messages[start:])
    return TURNS[done] if done < len(TURNS) else turn("", answer("a red ball"))


async def _log(line: str) -> None:
    await asyncio.to_thread(_append, line)


def _append(line: str) -> None:
    with Path(os.environ["AGENTCVR_TEST_LOG"]).open("a") as file:
        file.write(f"{line}\n")
