"""Single pass with any eyes: the graph, with a master that looks at everything once and then has to answer.

The look is the protocol of single-pass evaluation: so many frames, spread evenly over all videos, and optionally all
that is said; only the answer is the master's own. It serves eyes that cannot answer questions themselves (the offline
ones, and scripts); a vision model that can is asked directly (`single_pass.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from agentcvr_graph.eval.methods.base import GraphMethod
from agentcvr_graph.eval.methods.frames import share_frames
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.state import CVRContext
from agentcvr_graph.models.offline.master.chat_model import as_turn
from agentcvr_graph.models.offline.master.reading import Clip, read
from agentcvr_graph.perception.base import Perception

LOOK = "Everything at once."
WITHOUT_LIMIT_S = 1e6


class SinglePassMaster(BaseChatModel):
    """Looks once, as it is told, and then passes the conversation on to the master that answers."""

    master: BaseChatModel
    frames: int
    listens: bool

    @property
    def _llm_type(self) -> str:
        return f"single-pass-{self.master._llm_type}"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The master that answers gets the tools when its turn comes."""
        return self.bind(tools=list(tools))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("The graph is asynchronous: use ainvoke.")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        tools = kwargs.get("tools")
        if not any(isinstance(message, AIMessage) for message in messages):
            look = _look(read(messages).readable, self.frames, self.listens)
            message = as_turn(LOOK, look, 0, as_tools=bool(tools))
        else:
            message = await (self.master.bind_tools(tools) if tools else self.master).ainvoke(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])


def single_pass_graph(
    master: BaseChatModel, perception: Perception, context: CVRContext, *, frames: int, listens: bool
) -> GraphMethod:
    """Single pass over any perception.

    Args:
        frames: over all videos together.
        listens: whether all that is said counts too.
    """
    audio_s = WITHOUT_LIMIT_S if listens else 0.0
    settings = replace(context, max_turns=2, max_frames=frames, max_frames_per_call=frames, max_audio_s=audio_s)
    looking = SinglePassMaster(master=master, frames=frames, listens=listens)
    return GraphMethod(create_cvr_graph(looking, perception).compile(), settings)


def _look(clips: Sequence[Clip], frames: int, listens: bool) -> list[dict[str, Any]]:
    """The calls of the only look."""
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
