"""Open the videos that a turn of the master names, before the turn is planned.

Planning is a pure function of the calls and of what is known of the videos. A plan that asks for a video that is not
open is made again once that video is open, so no tool says beforehand which videos it needs. A video that cannot be
opened because of infrastructure fails the calls that name it, and no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from langgraph.runtime import Runtime

from agentcvr_graph.catalogue import Catalogue, Sources, Summary
from agentcvr_graph.errors import ActionError, InfrastructureError
from agentcvr_graph.graph.catalogues import probe, sources_of
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.dependencies import Dependencies
from agentcvr_graph.graph.error_policy import error_for_master
from agentcvr_graph.graph.events import report
from agentcvr_graph.graph.state import CVRState, SentVideos
from agentcvr_graph.perception.base import Perception, indexed_at_no_cost
from agentcvr_graph.types import Video, VideoInfo
from agentcvr_graph.utils.concurrency import in_order

AT_ONCE = 8
"""Most videos that are opened at the same time."""
LATE = "Opening the video took too long and was stopped."
LATE_LIST = "Listing the videos took too long and was stopped."
T = TypeVar("T")


class Opener:
    """The videos of a question as one turn or one request needs them: opens those that are named.

    Args:
        named: what the caller named.
        runtime: where an opening is reported; None outside of a run.
    """

    def __init__(
        self,
        dependencies: Dependencies,
        context: CVRContext,
        sources: Sources,
        named: Sequence[Video],
        summary: Summary | None,
        runtime: Runtime[Any] | None = None,
    ) -> None:
        self._dependencies, self._context, self._runtime = dependencies, context, runtime
        self._named, self._summary = named, summary
        self._failed: dict[int, InfrastructureError] = {}
        self.sources = sources
        self.update: dict[str, Any] = {}
        """The state update: what is known of newly opened videos."""

    @classmethod
    def of(
        cls, dependencies: Dependencies, context: CVRContext, state: CVRState, runtime: Runtime[Any] | None = None
    ) -> Opener:
        """Return the opener of a turn of the master."""
        named, summary = state["checked_question"].videos, state.get("catalogue")
        return cls(dependencies, context, sources_of(state), named, summary, runtime)

    @classmethod
    def sent(cls, dependencies: Dependencies, context: CVRContext, given: SentVideos) -> Opener:
        """Return the opener of one request, from what `Send` passes."""
        named = cast(Sequence[Video], given.get("named") or ())  # `agent_input` made them so
        return cls(dependencies, context, sources_of(given), named, given.get("catalogue"))

    async def plan(self, make: Callable[[Sources], T]) -> T:
        """Return a plan over the videos. A plan that asks for what is not known yet is made again with it.

        Raises:
            ActionError, InfrastructureError: what making the plan raises, once the videos are open.
        """
        while True:
            try:
                plan = make(self.sources)
            except ActionError:
                if not self._wants_more:
                    raise
            else:
                if not self._wants_more:
                    return plan
            if self.sources.references_wanted:
                await self._list()
            if self.sources.index_wanted:
                self.sources.index_wanted = False
                self.sources.indexed = indexed_at_no_cost(await self._dependencies.chosen_perception(self._context))
            if self.sources.wanted:
                await self._open(sorted(self.sources.wanted))

    @property
    def _wants_more(self) -> bool:
        return bool(self.sources.wanted) or self.sources.index_wanted or self.sources.references_wanted

    async def with_references(self, perception: Perception) -> Sources:
        """Return the videos with the reference of each, also of those that are not open.

        Raises:
            InfrastructureError: the list is another one now.
        """
        if len(self.sources) == len(self.sources.opened):
            return self.sources
        return Sources(self.sources.opened, len(self.sources), await self._catalogue(perception))

    async def _list(self) -> None:
        """Keep the references of all videos in this process, where a tool that reaches all of them finds them."""
        self.sources.references_wanted = False
        try:
            async with asyncio.timeout(self._dependencies.timeout_s):
                catalogue = await self._catalogue(await self._dependencies.chosen_perception(self._context))
        except TimeoutError:
            self.sources.unlisted = InfrastructureError(LATE_LIST)
        except Exception as error:
            self.sources.unlisted = InfrastructureError(error_for_master(error))
        else:
            self.sources = self._sources(self.sources.opened, catalogue)

    def _sources(self, opened: Sequence[VideoInfo], catalogue: Catalogue | None) -> Sources:
        known = self.sources
        made = Sources(opened, len(known), catalogue, failed=self._failed, indexed=known.indexed)
        made.unlisted = known.unlisted
        return made

    async def _open(self, numbers: Sequence[int]) -> None:
        if self._runtime is not None:
            report(self._runtime, "master", f"opening video {', '.join(map(str, numbers))}")
        opened: list[VideoInfo] = []
        try:
            async with asyncio.timeout(self._dependencies.timeout_s):
                opened = await self._probed(numbers)
        except TimeoutError:
            self._failed |= dict.fromkeys(numbers, InfrastructureError(LATE))
        except Exception as error:
            self._failed |= dict.fromkeys(numbers, InfrastructureError(error_for_master(error)))
        self.sources = self._sources([*self.sources.opened, *opened], self.sources.catalogue)
        self.update = {"sources": [*self.update.get("sources", []), *opened]}

    async def _probed(self, numbers: Sequence[int]) -> list[VideoInfo]:
        perception = await self._dependencies.chosen_perception(self._context)
        catalogue = await self._catalogue(perception)
        return await in_order(lambda number: probe(perception, catalogue[number], number), numbers, AT_ONCE)

    async def _catalogue(self, perception: Perception) -> Catalogue:
        assert self._summary is not None  # without it, all videos are open
        return await self._dependencies.catalogues.again(perception, self._named, self._summary)
