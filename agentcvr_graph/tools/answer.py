"""`answer`: end the question. The node `conclude` reads these arguments and validates the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from pydantic import BaseModel, Field, ValidationError, field_validator

from agentcvr_graph.errors import ActionError
from agentcvr_graph.tools.spec import ToolSchema
from agentcvr_graph.tools.windows import clip_window
from agentcvr_graph.types import Citation, Observation, VideoInfo


class AnswerArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Answer the question. This ends it."""

    value: Any = Field(description="The answer, in the format that the question asks for.")
    rationale: str = Field(default="", description="Why, in one or two sentences.")
    citations: list[Citation] = Field(default=[], description="The windows that prove the answer.")

    @field_validator("citations", mode="before")
    @classmethod
    def _drop_malformed(cls, citations: object) -> list[object]:
        """Drop citations that are not valid windows, so that they do not invalidate a right answer."""
        items = cast(list[object], citations) if isinstance(citations, list) else []
        return [item for item in items if _is_citation(item)]


def _is_citation(item: object) -> bool:
    try:
        cited = Citation.model_validate(item)
    except ValidationError:
        return False
    return math.isfinite(cited.start_s) and math.isfinite(cited.end_s)


def clip_citations(
    citations: Sequence[Citation], observations: Sequence[Observation], videos: Sequence[VideoInfo]
) -> tuple[tuple[Citation, ...], tuple[str, ...]]:
    """Clip citations to their videos, and keep those that overlap an observation of the same video and modality.

    Returns:
        The citations, and a note for each that names a video or a time that does not exist.
    """
    kept: list[Citation] = []
    notes: list[str] = []
    for citation in citations:
        try:
            clipped = clip_window(citation, videos, citation.modality)
        except ActionError as error:
            notes.append(f"a citation was dropped: {error}")
        else:
            kept += [clipped] if _was_observed(clipped, observations) else []
    return tuple(dict.fromkeys(kept)), tuple(dict.fromkeys(notes))


def _was_observed(citation: Citation, observations: Sequence[Observation]) -> bool:
    return any(
        observation.modality == citation.modality and window.overlap_s(citation) > 0
        for observation in observations
        for window in observation.windows
    )


ANSWER = ToolSchema(
    name="answer",
    arguments=AnswerArgs,
    hint="ends the question. Cite the windows that prove it.",
    # A model may answer with a letter, a list or a number.
    any_of={
        "value": [
            {"type": "string"},
            {"type": "number"},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
        ]
    },
)
