"""What tracers see of a call with pictures: its text, its usage and its reply, and no pictures.

LangSmith and OpenTelemetry store the input of every call. A frame has about 16 KB, a run up to 512 of them. So
callbacks get a call whose pictures are replaced by a short text, and the model itself is called without callbacks. A
process that sets `AGENTCVR_TRACE_MEDIA=true` sends the pictures to its tracers too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.content import create_text_block
from langsmith import tracing_context  # pyright: ignore[reportUnknownVariableType]
from pydantic import PrivateAttr

from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.models.clients.request_bodies import compute_block_types_once
from agentcvr_graph.models.clients.unstreamed import UNSTREAMED

MEDIA_VARIABLE = "AGENTCVR_TRACE_MEDIA"
"""Environment variable: `true` sends pictures to tracers."""


async def call_with_pictures(model: BaseChatModel, messages: Sequence[BaseMessage]) -> AIMessage:
    """Send messages with pictures to a chat model. Traces hold no pictures."""
    compute_block_types_once()
    if os.environ.get(MEDIA_VARIABLE, "").lower() in ("1", "true", "yes"):
        return await model.ainvoke([*messages], UNSTREAMED)
    shown = [_without_pictures(message) for message in messages]
    return await _Traced.of(model, [*messages]).ainvoke(shown, UNSTREAMED)


class _Traced(ChatModelBase):
    """One call of a model: callbacks see the messages that it is called with, the model gets others."""

    cache: Any = False  # two calls that differ in their pictures look alike
    _model: BaseChatModel = PrivateAttr()
    _sent: list[BaseMessage] = PrivateAttr()  # private, so that the trace of the model does not hold it

    @classmethod
    def of(cls, model: BaseChatModel, sent: list[BaseMessage]) -> _Traced:
        """Return the call."""
        traced = cls(name=model.get_name(), metadata=model.metadata, tags=model.tags)
        traced._model, traced._sent = model, sent
        return traced

    async def _areply(self, request: ChatRequest) -> AIMessage:
        with tracing_context(enabled=False):
            return await self._model.ainvoke(self._sent, {"callbacks": []})

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return cast(Any, self._model)._get_ls_params(stop, **kwargs)


def _without_pictures(message: BaseMessage) -> BaseMessage:
    content = cast(Any, message.content)
    return message if isinstance(content, str) else message.model_copy(update={"content": [*map(_shown, content)]})


def _shown(block: Any) -> Any:
    kind = "text" if isinstance(block, str) else str(block["type"])
    return block if kind == "text" else create_text_block(f"[{kind}, not traced]")
