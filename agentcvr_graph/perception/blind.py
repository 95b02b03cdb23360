"""The blind baseline: videos keep their titles and lengths, and there is nothing to see or hear in them.

A master over it can only guess, so its score is what guessing is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentcvr_graph.catalogue import Expansion
from agentcvr_graph.perception.base import Perception, expand
from agentcvr_graph.types import Listen, Observation, Observe, Video, VideoInfo


class BlindPerception:
    """A `Perception` whose observations are empty."""

    def __init__(self, perception: Perception) -> None:
        self._perception = perception

    async def probe(self, video: Video, number: int) -> VideoInfo:
        """Probe with the perception behind it."""
        return await self._perception.probe(video, number)

    async def expand(self, video: Video) -> Expansion | None:
        """Expand with the perception behind it."""
        return await expand(self._perception, video)

    async def observe(self, request: Observe, videos: Sequence[VideoInfo]) -> Observation:
        """Return an observation without evidence."""
        return Observation(modality="visual", windows=tuple(target.window for target in request.targets))

    async def listen(self, request: Listen, videos: Sequence[VideoInfo]) -> Observation:
        """Return an observation without evidence."""
        return Observation(modality="audio", windows=(request.window,))
