"""Routers: functions that choose the next node. Tracers do not see them, because each would repeat the whole state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from agentcvr_graph.graph.state import CVRState


class Router(Runnable[CVRState, Any]):
    """A router that calls its function without callbacks."""

    def __init__(self, choose: Callable[[CVRState], Awaitable[Any]]) -> None:
        self.name = choose.__name__
        self._choose = choose

    async def ainvoke(self, input: CVRState, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the next step."""
        return await self._choose(input)

    def invoke(self, input: CVRState, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Return the next step, for LangGraph's methods without an event loop."""
        return asyncio.run(self._run(input))

    async def _run(self, state: CVRState) -> Any:
        return await self._choose(state)
