"""Fakes for tests of graphs that contain this one: a master with a fixed list of turns, a perception that never fails.

They are part of the library, so that tests of other projects need no model, no key and no video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import PrivateAttr

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.render import cut, one_line
from agentcvr_graph.types import Cost, Evidence, Listen, Observation, Observe, Video, VideoInfo, Window

Turn = AIMessage | Exception | Callable[[Sequence[BaseMessage]], AIMessage]


class FakeMaster(ChatModelBase):
    """A master that takes the given turns, one for each call.

    A turn that is an exception is raised; a turn that is a function is called with the messages. `seen` holds the
    messages of every call. More calls than turns raise an `IndexError` that shows what the master was last sent.
    """

    turns: list[Any]
    _seen: list[list[BaseMessage]] = PrivateAttr(default_factory=list[list[BaseMessage]])

    @property
    def seen(self) -> list[list[BaseMessage]]:
        return self._seen

    def _reply(self, request: ChatRequest) -> AIMessage:
        self._seen.append(list(request.messages))
        if len(self._seen) > len(self.turns):
            last = cut(one_line(request.messages[-1].text))
            calls = f"FakeMaster has {len(self.turns)} turns and was called {len(self._seen)} times"
            raise IndexError(f"{calls}; it was last sent: {last}")
        turn: Turn = self.turns[len(self._seen) - 1]
        if isinstance(turn, Exception):
            raise turn
        return turn if isinstance(turn, AIMessage) else turn(request.messages)


class FakePerception:
    """A perception whose videos all have one length, and whose windows all give the same evidence."""

    def __init__(self, duration_s: float = 60.0, *, text: str = "a red ball", said: str = "hello") -> None:
        self.duration_s = duration_s
        self.text = text
        self.said = said
        self.requests: list[Observe | Listen] = []
        """All requests, in the order of arrival."""

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Return a readable video with picture and sound, whatever the source."""
        return VideoInfo(
            number=number, video=video, duration_s=self.duration_s, fps=25, width=640, height=360, has_sound=True
        )

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Return one statement for each window."""
        self.requests.append(request)
        windows = tuple(Window(video=t.video, start_s=t.start_s, end_s=t.end_s) for t in request.targets)
        return Observation(
            modality="visual",
            windows=windows,
            focus=request.focus,
            evidence=tuple(Evidence(text=self.text, window=window) for window in windows),
            frame_times_s=tuple(
                tuple(t.start_s + (n + 0.5) * t.duration_s / t.frames for n in range(t.frames)) for t in request.targets
            ),
            model="fake",
            zooms=request.zooms,
            cost=Cost(frames=request.cost_frames),
        )

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Return one statement."""
        self.requests.append(request)
        return Observation(
            modality="audio",
            windows=(request.window,),
            focus=request.focus,
            evidence=(Evidence(text=f'"{self.said}"', window=request.window),),
            model="fake",
            cost=Cost(audio_s=request.window.duration_s),
        )


def turn(thought: str = "", *calls: dict[str, Any]) -> AIMessage:
    """Return a turn of the master: a thought, and tool calls made with `observe`, `listen` and `answer` below."""
    numbered = [{**call, "id": call.get("id") or f"call_{n}"} for n, call in enumerate(calls)]
    return AIMessage(thought, tool_calls=numbered)


def observe(*targets: tuple[int, float, float, int], focus: str = "", id: str | None = None) -> dict[str, Any]:
    """Return an observe call. A target is (video, start_s, end_s, frames)."""
    keys = ("video", "start_s", "end_s", "frames")
    arguments = {"targets": [dict(zip(keys, target, strict=True)) for target in targets], "focus": focus}
    return {"name": "observe", "args": arguments, "id": id}


def listen(video: int, start_s: float, end_s: float, focus: str = "", id: str | None = None) -> dict[str, Any]:
    """Return a listen call."""
    return {"name": "listen", "args": {"video": video, "start_s": start_s, "end_s": end_s, "focus": focus}, "id": id}


def answer(
    value: Any, rationale: str = "", citations: Sequence[dict[str, Any]] = (), id: str = "done"
) -> dict[str, Any]:
    """Return an answer call."""
    return {"name": "answer", "args": {"value": value, "rationale": rationale, "citations": list(citations)}, "id": id}
