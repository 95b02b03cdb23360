"""Single pass over any perception: the graph, with a master that observes everything once and must then answer.

The observation follows the single-pass protocol: a fixed number of frames, spread evenly over all videos, and
optionally all transcripts. Only the answer comes from the real master. This serves vision models that cannot answer
questions themselves (offline models and scripts); others are called directly (`single_pass.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.eval.methods.frames import share_frames
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import choose_dialect
from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.clients.unstreamed import UNSTREAMED
from agentcvr_graph.models.offline.master.chat_model import as_turn
from agentcvr_graph.models.offline.master.reading import Clip, read
from agentcvr_graph.perception.base import Perception

LOOK = "Everything at once."
WITHOUT_LIMIT_S = 1e6


class SinglePassMaster(ChatModelBase):
    """Make one fixed observation, then pass the conversation on to the master that answers."""

    master: BaseChatModel
    frames: int
    listens: bool

    async def _areply(self, request: ChatRequest) -> AIMessage:
        if any(isinstance(message, AIMessage) for message in request.messages):
            master = self.master.bind_tools(request.tools) if request.tools else self.master
            return await master.ainvoke(request.messages, UNSTREAMED)
        look = _look(read(request.messages).readable, self.frames, self.listens)
        return as_turn(LOOK, look, 0, as_tools=bool(request.tools))


def single_pass_graph(
    master: BaseChatModel, perception: Perception, context: CVRContext, *, frames: int, listens: bool
) -> GraphMethod:
    """Return the single-pass method over any perception.

    Args:
        frames: number of frames over all videos together.
        listens: whether to add all transcripts.
    """
    audio_s = WITHOUT_LIMIT_S if listens else 0.0
    settings = context.model_copy(
        update={
            "dialect": choose_dialect(master, context.dialect),
            "max_turns": 2,
            "max_frames": frames,
            "max_frames_per_call": frames,
            "max_audio_s": audio_s,
        }
    )
    looking = SinglePassMaster(master=master, frames=frames, listens=listens)
    return GraphMethod(create_cvr_graph(looking, perception).compile(), settings)


def _look(clips: Sequence[Clip], frames: int, listens: bool) -> list[dict[str, Any]]:
    """Return the tool calls of the only observation."""
    seen = [clip for clip in clips if clip.has_picture]
    shares = share_frames([clip.duration_s for clip in seen], frames, evenly=True)
    targets = [
        {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s, "frames": count}
        for clip, count in zip(seen, shares, strict=True)
        if count
    ]
    calls: list[dict[str, Any]] = [{"name": "observe", "args": {"targets": targets}}] if targets else []
    for clip in clips:
        if listens and clip.has_words:
            calls.append({"name": "listen", "args": {"video": clip.number, "start_s": 0.0, "end_s": clip.duration_s}})
    return calls
