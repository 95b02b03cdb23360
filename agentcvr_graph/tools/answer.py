"""`answer`: end the question. The node `conclude` reads these arguments and validates the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import BaseModel, Field, ValidationError, field_validator

from agentcvr_graph.errors import ActionError
from agentcvr_graph.models.chat_format.loose_json import decoded
from agentcvr_graph.tools.arguments import read_arguments
from agentcvr_graph.tools.spec import ToolSchema
from agentcvr_graph.tools.windows import clip_window
from agentcvr_graph.types import Citation, ClaimedCitation, Observation, VideoInfo


class AnswerArgs(BaseModel):
    # The policy reads this docstring and these descriptions.
    """Answer the question. This ends it."""

    value: Any = Field(description="The answer, in the format that the question asks for.")
    rationale: str = Field(default="", description="Why, in one or two sentences.")
    citations: list[Citation] = Field(default=[], description="The windows that prove the answer.")
    cites: ClassVar[type[Citation]] = Citation

    @field_validator("citations", mode="before")
    @classmethod
    def _drop_malformed(cls, citations: object) -> list[object]:
        """Drop citations that are not valid windows, so that they do not invalidate a right answer."""
        given = decoded(citations)
        items = cast(list[object], given) if isinstance(given, list) else [given]
        return [citation for item in items if (citation := _citation(item, cls.cites)) is not None]

    @property
    def how_sure(self) -> float | None:
        """The confidence that the master stated, from 0 to 1; None where its tool has no such field."""
        return None

    @property
    def sought(self) -> str | None:
        """What the master looked for in vain, if it abstains; None for an answer, and where its tool has no such field.

        Empty if it abstains without saying what it looked for.
        """
        return None


class ConfidentAnswerArgs(AnswerArgs):
    # The policy reads this docstring and these descriptions.
    """Answer the question. This ends it."""

    confidence: float | None = Field(
        default=None, ge=0, le=1, description="How sure you are that the answer is right, from 0 to 1."
    )

    @field_validator("confidence", mode="before")
    @classmethod
    def _drop_unclear(cls, given: object) -> float | None:
        """Read 85 and "85 %" as 0.85; drop what is no share, so that it does not invalidate a right answer."""
        return read_share(given)

    @property
    def how_sure(self) -> float | None:
        return self.confidence


class AbstainingAnswerArgs(AnswerArgs):
    # The policy reads this docstring and these descriptions.
    """Answer the question. This ends it."""

    looked_for: str = Field(
        default="",
        description="If the videos do not show the answer: what you looked for in vain. Then the value is null.",
    )

    @property
    def sought(self) -> str | None:
        given = self.looked_for.strip()
        empty = self.value is None or (bool(given) and str(self.value).strip().casefold() in ("", "null"))
        return given if empty else None


class ClaimedAnswerArgs(AnswerArgs):
    # The policy reads this docstring and these descriptions.
    """Answer the question. This ends it."""

    citations: list[ClaimedCitation] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=[], description="The windows that prove the answer, each with what it proves."
    )
    cites: ClassVar[type[Citation]] = ClaimedCitation


def read_share(given: object) -> float | None:
    """Return a number from 0 to 1 that is written as one or in per cent; None for anything else.

    >>> read_share("85 %"), read_share(0.5), read_share("high")
    (0.85, 0.5, None)
    """
    text = str(given).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        return None
    share = number / 100 if text.endswith("%") or 1 < number <= 100 else number
    return share if 0 <= share <= 1 else None


def _citation(item: object, kind: type[Citation]) -> Citation | None:
    """Return a citation, read as tolerantly as the other arguments; None if it is no valid window."""
    if isinstance(item, Citation):
        return item
    if not isinstance(item, Mapping):
        return None
    given = dict(cast(Mapping[str, object], item))
    if isinstance(given.get("modality"), str):
        given["modality"] = str(given["modality"]).strip().casefold()
    if kind is ClaimedCitation and not isinstance(given.get("claim"), str):
        given["claim"] = ""  # a citation without a claim is still one; its check says what it lacks
    try:
        cited, _ = read_arguments(kind, given)
    except ValidationError:
        return None
    return cited if math.isfinite(cited.start_s) and math.isfinite(cited.end_s) else None


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


VALUE_TYPES: tuple[dict[str, Any], ...] = (
    # A model may answer with a letter, a list or a number.
    {"type": "string"},
    {"type": "number"},
    {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
)
NO_VALUE: dict[str, Any] = {"type": "null"}
"""Type of the value of an abstention, which only `AbstainingAnswerArgs` allows."""

ANSWER = ToolSchema(
    name="answer",
    arguments=AnswerArgs,
    aliases={"final_answer": {}, "submit_answer": {}, "finish": {}},
    hint="ends the question. Cite the windows that prove it.",
    explained=("value", "citations", "video", "start_s", "end_s"),
    any_of={"value": VALUE_TYPES},
)
