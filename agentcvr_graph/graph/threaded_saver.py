"""A checkpointer that the running event loop cannot call, called in threads instead.

There are two kinds: savers without async methods (`SqliteSaver`, `PostgresSaver`), and savers that belong to another
event loop (`AsyncSqliteSaver`, where `invoke` runs the graph in a private loop). The synchronous methods of the second
kind run in their own loop, so that loop must be running.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from agentcvr_graph.errors import SetupError


def callable_saver(saver: BaseCheckpointSaver[Any]) -> BaseCheckpointSaver[Any]:
    """Return the saver itself if the running event loop can call it, else one that calls it in threads.

    Raises:
        SetupError: it belongs to an event loop that does not run.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return saver  # a synchronous caller uses the synchronous methods
    if cast(Any, type(saver)).aput_writes is cast(Any, BaseCheckpointSaver).aput_writes:
        return ThreadedSaver(saver)
    home = getattr(saver, "loop", None)
    if home is None or home is running:
        return saver
    if not home.is_running():
        raise SetupError(
            f"The checkpointer {type(saver).__name__} belongs to an event loop that does not run.",
            fix="Use `SqliteSaver` or `InMemorySaver`, or call `await graph.ainvoke(...)` in that loop.",
        )
    return ThreadedSaver(saver)


class ThreadedSaver(BaseCheckpointSaver[Any]):
    """Adds async methods that call a saver's synchronous ones in threads."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the saver's own next version."""
        return self._saver.get_next_version(current, channel)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Call the saver."""
        return self._saver.get_tuple(config)

    def list(self, config: RunnableConfig | None, **limits: Any) -> Iterator[CheckpointTuple]:
        """Call the saver."""
        return self._saver.list(config, **limits)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Call the saver."""
        return self._saver.put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Call the saver."""
        self._saver.put_writes(config, writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Call the saver in a thread."""
        return await asyncio.to_thread(self._saver.get_tuple, config)

    async def alist(self, config: RunnableConfig | None, **limits: Any) -> AsyncIterator[CheckpointTuple]:
        """Call the saver in a thread."""
        for found in await asyncio.to_thread(lambda: [*self._saver.list(config, **limits)]):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Call the saver in a thread."""
        return await asyncio.to_thread(self._saver.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Call the saver in a thread."""
        await asyncio.to_thread(self._saver.put_writes, config, writes, task_id, task_path)
