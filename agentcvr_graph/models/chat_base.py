"""Base class of the chat models that this project implements itself.

A subclass writes one method that turns a request into a message: `_reply` when the work blocks, `_areply` when it
awaits. The class derives the rest of LangChain's interface from it: results, tool binding, the other calling style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    BaseRunManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, run_in_executor
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict


@dataclass(frozen=True)
class ChatRequest:
    """One call of a chat model."""

    messages: list[BaseMessage]
    tools: Sequence[dict[str, Any]] = ()
    """Schemas of the bound tools in OpenAI's form; empty when none are bound."""
    stop: Sequence[str] = ()
    """Texts at which the reply ends."""
    json_schema: Mapping[str, Any] | None = None
    """The schema that the reply is constrained to; None for a free reply. Models that cannot constrain ignore it."""
    metadata: Mapping[str, Any] | None = None
    """Metadata of the run that the call belongs to, as LangGraph fills it in."""


class ChatModelBase(BaseChatModel):
    """A chat model that implements `_reply`, `_areply`, or both."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _reply(self, request: ChatRequest) -> AIMessage:
        """Return the next message of the conversation. Called in a worker thread unless `_areply` is overridden."""
        raise NotImplementedError(f"{type(self).__name__} is asynchronous: use ainvoke.")

    async def _areply(self, request: ChatRequest) -> AIMessage:
        """Return the next message of the conversation, on the event loop."""
        return await run_in_executor(None, self._reply, request)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; the request carries their schemas. `tool_choice` is not supported and ignored."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    @property
    def _llm_type(self) -> str:
        return f"agentcvr-{type(self).__name__}"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self._reply(_request(messages, stop, run_manager, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self._areply(_request(messages, stop, run_manager, kwargs)))


def _request(
    messages: list[BaseMessage], stop: list[str] | None, run_manager: BaseRunManager | None, options: Mapping[str, Any]
) -> ChatRequest:
    metadata = run_manager.metadata if run_manager else None
    return ChatRequest(messages, options.get("tools") or (), stop or (), options.get("json_schema"), metadata)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
