"""Limit concurrent calls to an endpoint, and adapt the limit when the endpoint is busy.

Every endpoint has one `AdaptiveLimiter`, shared by all callers: master, vision model, audio model and judge. Its limit
starts at the configured number. A busy reply (429, 503, 529) halves the limit and pauses all calls, for the time that
the endpoint requests or for a growing interval; each success raises the limit a little, so that a round of successes
adds one call (additive increase, multiplicative decrease, as in TCP). A call that was refused as busy is retried until
`patience_s` has passed, and fails only then.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.tools import BaseTool

from agentcvr_graph.models.base import AudioModel, ModelOutput, Sound
from agentcvr_graph.models.chat_base import ChatModelBase
from agentcvr_graph.models.clients.errors import detail_of, status_of
from agentcvr_graph.models.registry import read_model_string

Result = TypeVar("Result")
BUSY = frozenset({429, 503, 529})
PATIENCE_S = 600.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


class AdaptiveLimiter:
    """Limits the concurrent calls of one endpoint.

    Args:
        max_concurrency: most calls in flight.
        patience_s: how long a call is retried while the endpoint is busy.
    """

    def __init__(self, max_concurrency: int, *, patience_s: float = PATIENCE_S) -> None:
        self.limit = float(max_concurrency)
        """Most calls in flight at present."""
        self._max_concurrency = max_concurrency
        self._patience_s = patience_s
        self._running = 0
        self._pause_s = FIRST_PAUSE_S
        self._resume_s = 0.0
        self._slowed_s = 0.0
        self._changed = asyncio.Condition()
        self._random = random.Random(0)

    async def call(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Run `work` when the limit allows it; retry while the endpoint is busy.

        Raises:
            Exception: what the call raises; a busy reply only after `patience_s`.
        """
        deadline_s = time.monotonic() + self._patience_s
        while True:
            async with self._place() as started_s:
                try:
                    result = await work()
                except Exception as error:
                    pause_s = busy_for(error)
                    if pause_s is None or time.monotonic() + pause_s > deadline_s:
                        raise
                    self._slow_down(started_s, pause_s)
                else:
                    self._speed_up()
                    return result

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[float]:
        """Wait for a free place among the calls in flight; yield the time when it was taken."""
        while True:
            await asyncio.sleep(max(0.0, self._resume_s - time.monotonic()))
            async with self._changed:
                await self._changed.wait_for(lambda: self._running < int(self.limit))
                if time.monotonic() >= self._resume_s:
                    self._running += 1
                    break
        try:
            yield time.monotonic()
        finally:
            self._running -= 1
            async with self._changed:
                self._changed.notify_all()

    def _slow_down(self, started_s: float, pause_s: float) -> None:
        """Halve the limit once for all calls that were in flight together: they were refused for the same reason."""
        now_s = time.monotonic()
        if started_s >= self._slowed_s:
            self.limit = max(1.0, self.limit / 2)
            self._slowed_s = now_s
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        # Without jitter all waiting calls would return at the same moment.
        pause_s = pause_s or self._pause_s * self._random.uniform(0.5, 1.0)
        self._resume_s = max(self._resume_s, now_s + pause_s)

    def _speed_up(self) -> None:
        self.limit = min(float(self._max_concurrency), self.limit + 1 / self.limit)
        self._pause_s = FIRST_PAUSE_S


class EndpointLimiters:
    """One limiter for each endpoint, created at its first use."""

    def __init__(self, max_concurrency: int, *, patience_s: float = PATIENCE_S) -> None:
        self._make = lambda: AdaptiveLimiter(max_concurrency, patience_s=patience_s)
        self._of: dict[str, AdaptiveLimiter] = {}

    def of(self, spec: str) -> AdaptiveLimiter | None:
        """Return the limiter of the endpoint that a model string names; None for models in this process."""
        endpoint = read_model_string(spec).endpoint
        return self._of.setdefault(endpoint, self._make()) if endpoint else None

    def chat(self, spec: str, model: BaseChatModel) -> BaseChatModel:
        """Return the chat model; its calls go through the limiter of its endpoint."""
        limiter = self.of(spec)
        return LimitedChat(model=model, limiter=limiter) if limiter else model

    def audio(self, spec: str, model: AudioModel) -> AudioModel:
        """Return the audio model; its calls go through the limiter of its endpoint."""
        limiter = self.of(spec)
        return LimitedAudioModel(model, limiter) if limiter else model


class LimitedChat(ChatModelBase):
    """A chat model whose calls go through the limiter of their endpoint."""

    model: BaseChatModel
    limiter: AdaptiveLimiter

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind the tools as the wrapped model does; calls still go through the limiter."""
        options = {"tool_choice": tool_choice} if tool_choice else {}
        bound: Any = self.model.bind_tools(tools, **options, **kwargs)
        assert isinstance(bound, RunnableBinding), "a model that binds tools returns a binding"
        return self.bind(**bound.kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self.limiter.call(lambda: self.model._agenerate(messages, stop, run_manager, **kwargs))


class LimitedAudioModel:
    """An audio model whose calls go through the limiter of their endpoint."""

    def __init__(self, model: AudioModel, limiter: AdaptiveLimiter) -> None:
        self._model, self._limiter = model, limiter

    @property
    def name(self) -> str:
        """Return the name of the wrapped model."""
        return self._model.name

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        """Call the wrapped model when the limiter allows it."""
        return await self._limiter.call(lambda: self._model.hear(sound, focus))


def busy_for(error: BaseException) -> float | None:
    """Return the pause that a busy endpoint requests, in seconds, 0 when it names none; None for another failure."""
    status = status_of(error)
    if status not in BUSY or "quota" in detail_of(error).lower():
        return None
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:  # a date
        return 0.0
