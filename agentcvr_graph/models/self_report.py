"""What a master of this library knows about its own answer, beside the text of its message.

A policy says how sure it is, and that it found nothing, in the arguments of `answer`, if a feature gives it the words.
The offline master knows both without being asked: whether any statement supports its value. It writes the best value
as ever, so that a run that must have one is the same as before, and attaches a `SelfReport` to its message. `conclude`
reads it there and turns the value into an abstention where the settings allow one. No model reads the report, so the
text that a policy is trained on, or that demonstrations are made of, does not depend on it.
"""

from __future__ import annotations

from langchain_core.messages import AIMessage
from pydantic import Field

from agentcvr_graph.types import FrozenModel

SELF_REPORT = "self_report"
"""Key in a message's `additional_kwargs`. No model reads it."""


class SelfReport(FrozenModel):
    """What a master says about the value of its answer."""

    confidence: float = Field(ge=0, le=1)
    """0 for a value that rests on nothing."""
    looked_for: str = ""
    """What it looked for in vain; empty if the evidence supports the value."""
    looked: bool = True
    """Whether it looked at or listened to anything."""
    reason: str = ""
    """Why the evidence does not support the value; the rationale of an abstention."""


def with_report(message: AIMessage, report: SelfReport) -> AIMessage:
    """Return a message that carries a report."""
    marks = {**message.additional_kwargs, SELF_REPORT: report.model_dump(mode="json")}
    return message.model_copy(update={"additional_kwargs": marks})


def report_in(message: AIMessage) -> SelfReport | None:
    """Return the report that a message carries; None if there is none."""
    given = message.additional_kwargs.get(SELF_REPORT)
    return SelfReport.model_validate(given) if given else None
