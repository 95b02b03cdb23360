"""What an answer rests on: abstentions, guesses, and senses that failed.

A master abstains in one of two ways. A policy does so in the arguments of `answer`, if the feature `abstain` gives it
the field. The offline master always writes a value, and says in a `SelfReport` beside its message that the value rests
on nothing: with `abstain="allowed"` that is an abstention, with `"never"` a guess, a value with confidence 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_core.messages import AIMessage, AnyMessage

from agentcvr_graph.answers import abstention
from agentcvr_graph.errors import ActionError
from agentcvr_graph.graph.dialects import FAILED_MODALITY
from agentcvr_graph.graph.prompts import ANSWER_NEEDED
from agentcvr_graph.models.self_report import SelfReport, report_in
from agentcvr_graph.tools import AnswerArgs
from agentcvr_graph.types import Answer, AnswerKind, Modality, Observation

MODALITIES: tuple[Modality, ...] = ("visual", "audio")
FAILED_SENSES: dict[Modality, str] = {
    "visual": "Nothing could be seen: every look failed.",
    "audio": "Nothing could be heard: every attempt to listen failed.",
}


def report_of_last(messages: Sequence[AnyMessage]) -> SelfReport | None:
    """Return the self-report of the master's last message; None if it has none."""
    written = next((message for message in reversed(messages) if isinstance(message, AIMessage)), None)
    return report_in(written) if written is not None else None


def abstention_of(
    arguments: AnswerArgs, report: SelfReport | None, kind: AnswerKind, *, allowed: bool
) -> Answer | None:
    """Return the abstention that a master makes; None if it gives a value that counts.

    Raises:
        ActionError: the arguments abstain, and this run needs a value.
    """
    if arguments.sought is not None:
        if not allowed:
            raise ActionError(ANSWER_NEEDED)
        return abstention(kind, arguments.sought, arguments.rationale)
    if report is not None and report.looked_for and allowed:
        return abstention(kind, report.looked_for, report.reason or arguments.rationale, looked=report.looked)
    return None


def confidence_of(arguments: AnswerArgs, report: SelfReport | None) -> float | None:
    """Return how sure the master is of its value: as it stated in the arguments, else by its self-report of a guess."""
    if arguments.how_sure is not None:
        return arguments.how_sure
    return report.confidence if report is not None and report.looked_for else None


def failed_modalities(messages: Iterable[AnyMessage], observations: Iterable[Observation]) -> tuple[Modality, ...]:
    """Return the senses with a failed look and no observation."""
    failed = {message.additional_kwargs.get(FAILED_MODALITY) for message in messages}
    succeeded = {observation.modality for observation in observations}
    return tuple(one for one in MODALITIES if one in failed and one not in succeeded)


def with_failures(answer: Answer, failed: tuple[Modality, ...]) -> Answer:
    """Return an answer that says which senses failed."""
    if not failed:
        return answer
    why = answer.rationale.rstrip()
    reasons = [why if not why or why[-1] in ".!?" else f"{why}.", *(FAILED_SENSES[one] for one in failed)]
    rationale = " ".join(reason for reason in reasons if reason)
    return answer.model_copy(update={"rationale": rationale, "failed_modalities": failed})
