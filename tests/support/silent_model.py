"""A vision and audio model for tests of what the decoder alone reports."""

from __future__ import annotations

from collections.abc import Sequence

from agentcvr_graph.models.base import ModelOutput, SampledFrames, Sound


class Silent:
    """A vision and audio model that perceives nothing."""

    name = "silent"

    async def look(self, sampled: Sequence[SampledFrames], focus: str) -> ModelOutput:
        return ModelOutput(evidence=())

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        return ModelOutput(evidence=())
