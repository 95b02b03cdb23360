"""What a graph is built over: a master, a perception and the tools.

Master and perception are objects, or functions that choose one by the run's context: a server's form names its models
(`server.py`), a library user passes plain objects. Choosing may import libraries and read folders, so it happens in a
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langgraph.runtime import Runtime

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dialects import Dialect, bind_master, choose_dialect
from agentcvr_graph.perception.base import Perception
from agentcvr_graph.tools import TOOLS, Toolset

ChooseMaster: TypeAlias = Callable[[Any], BaseChatModel]
"""From the context of the run, an instance of the graph's `context_schema`."""
ChoosePerception: TypeAlias = Callable[[Any], Perception]


@dataclass(frozen=True)
class Dependencies:
    """The objects behind the nodes."""

    master: BaseChatModel | ChooseMaster
    perception: Perception | ChoosePerception
    timeout_s: float | None = None
    """Longest single attempt of a model call or an observation; None for no limit."""
    tools: Toolset = TOOLS

    async def bound_master(self, context: CVRContext) -> tuple[Runnable[LanguageModelInput, AIMessage], Dialect]:
        """Return the master of this run with its tools bound, and the dialect it acts in."""
        master = self.master
        if not isinstance(master, BaseChatModel):
            master = await asyncio.to_thread(master, context)
        dialect = choose_dialect(master, context.dialect)
        return bind_master(master, dialect, self.tools), dialect

    async def chosen_perception(self, context: CVRContext) -> Perception:
        """Return the perception of this run."""
        if isinstance(self.perception, Perception):
            return self.perception
        return await asyncio.to_thread(self.perception, context)


def context_of(runtime: Runtime[CVRContext]) -> CVRContext:
    """Return the run's context; the defaults when the caller passed none.

    LangGraph then gives None, or in a parent graph the parent's context, which may be anything.
    """
    context = cast(object, runtime.context)
    return context if isinstance(context, CVRContext) else CVRContext()
