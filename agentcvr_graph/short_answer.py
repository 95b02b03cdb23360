"""The outcome of a run in a few hundred characters, for callers that read JSON: MCP clients, other agents.

A run's whole output holds messages and observations, tens of thousands of characters. This keeps the answer, why, the
windows that prove it, and what limits it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentcvr_graph.render import window_label
from agentcvr_graph.report.moments import named_moment
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import AnswerValue, Citation, FrozenModel, Modality, VideoInfo

MOST_CITED, MOST_NOTES = 6, 3
MOST_CHARACTERS = 300
"""Longest text of a field."""


class Cited(FrozenModel):
    """A window of a video that proves the answer."""

    video: int = Field(description="Number of the video, from 1.")
    start_s: float = Field(description="Start in seconds from the start of the video as it was named.")
    end_s: float
    modality: Modality = Field(description="'visual' if it was seen, 'audio' if it was heard.")
    file: str = Field(default="", description="The window in its file, which can be asked about: 'a.mp4#t=12.5,18'.")


class ShortAnswer(FrozenModel):
    """The answer to a question about videos, or why there is none."""

    status: Literal["answered", "abstained", "no_answer", "failed", "wrong_input"] = Field(
        description="'abstained': the videos do not show the answer, as far as the models can tell. 'no_answer': no "
        "valid answer was given. 'failed': a model, a server, a decoder or the set-up failed. 'wrong_input': the "
        "question or a video cannot be used."
    )
    answer: str = Field(default="", description="The answer in words; empty if there is none.")
    value: AnswerValue | None = Field(
        default=None, description="The answer as data: a letter, letters, an order such as '2->1', [start, end], ..."
    )
    why: str = Field(default="", description="How the evidence leads to the answer.")
    confidence: float | None = Field(
        default=None, description="How sure the model says it is, from 0 to 1; null if it does not say."
    )
    guess: bool = Field(default=False, description="True if no evidence supports the answer.")
    evidence: tuple[Cited, ...] = Field(default=(), description="The windows that prove the answer.")
    notes: tuple[str, ...] = Field(default=(), description="What limits the evidence.")
    problem: str = Field(
        default="", description="Why there is no answer, or what was looked for in vain; empty if there is one."
    )


def short_answer(trajectory: Trajectory) -> ShortAnswer:
    """Return the outcome of a run, shortened."""
    answer, failure = trajectory.answer, trajectory.failure
    notes = tuple(map(shortened, [*_unconfirmed(trajectory), *trajectory.notes][:MOST_NOTES]))
    if answer is None:
        status = "failed" if failure is not None and failure.boundary == "infrastructure" else "no_answer"
        return ShortAnswer(status=status, notes=notes, problem=shortened(failure.message if failure else ""))
    if answer.abstained:
        why = shortened(answer.rationale)
        return ShortAnswer(status="abstained", why=why, notes=notes, problem=shortened(answer.text))
    return ShortAnswer(
        status="answered",
        answer=shortened(answer.text),
        value=answer.value,
        why=shortened(answer.rationale),
        confidence=answer.confidence,
        guess=answer.is_guess,
        evidence=tuple(_cited(one, trajectory.video(one.video)) for one in answer.citations[:MOST_CITED]),
        notes=notes,
    )


def failed_answer(problem: str) -> ShortAnswer:
    """Return the outcome of a run that infrastructure ended."""
    return ShortAnswer(status="failed", problem=shortened(problem))


def wrong_input(problem: str) -> ShortAnswer:
    """Return the outcome of a question that cannot be asked."""
    return ShortAnswer(status="wrong_input", problem=shortened(problem))


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text on one line, cut to a length.

    >>> shortened("one two", 5)
    'one …'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _unconfirmed(trajectory: Trajectory) -> list[str]:
    """Return a note for each citation that its check does not support (feature `verify`)."""
    checks = map(trajectory.verification_of, trajectory.answer.citations if trajectory.answer else ())
    return [
        f"{window_label(one.citation)}: {one.verdict}: {one.citation.claim} ({one.reason})"
        for one in checks
        if one and one.verdict != "supported"
    ]


def _cited(citation: Citation, info: VideoInfo) -> Cited:
    return Cited(
        video=citation.video,
        start_s=round(citation.start_s, 2),
        end_s=round(citation.end_s, 2),
        modality=citation.modality,
        file=named_moment(info.video, citation.start_s, citation.end_s),
    )
