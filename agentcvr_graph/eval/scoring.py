"""Turn trajectories into rows. The scorers are those of `answers/`, which rewards use too; text may have a judge."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from agentcvr_graph.answers import resolve_kind, score_of
from agentcvr_graph.errors import BugError, CVRError, InfrastructureError, InputError
from agentcvr_graph.eval.rows import Outcome, Row
from agentcvr_graph.models.clients.errors import is_transient, recognised
from agentcvr_graph.models.text_judge import Grades, Judge
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Answer, Failure, Question


@dataclass(frozen=True)
class EvalTask:
    """A question for a method, with the number of the attempt."""

    question: Question
    method: str
    attempt: int = 1


async def row_of(ask: EvalTask, trajectory: Trajectory, judge: Judge | None, started_at: str) -> Row:
    """Return the row of a trajectory, with or without an answer."""
    row = Row(
        **_identity(ask, started_at),
        outcome="wrong",
        score=0.0,
        turns=len(trajectory.turns),
        usage=trajectory.usage,
        notes=trajectory.notes,
    )
    if trajectory.answer is None:
        return row.model_copy(update=_failed(trajectory.failure))
    return row.model_copy(update=await _scored(ask.question, trajectory.answer, judge))


def failed_row(ask: EvalTask, error: Exception, started_at: str) -> Row:
    """Return the row of a question that raised an error instead of yielding a trajectory."""
    # A missing file stays missing; a bug may be fixed, and other errors may be temporary.
    lasting = isinstance(error, InputError | InfrastructureError) and not is_transient(error)
    detail = " ".join(str(error).split()) if isinstance(error, CVRError) else f"{type(error).__name__}: {error}"
    outcome: Outcome = "bug" if is_bug(error) else "infrastructure error"
    return Row(**_identity(ask, started_at), outcome=outcome, score=0.0, detail=detail, retryable=not lasting)


def is_bug(error: Exception) -> bool:
    """Return whether an error is one of the code: a `BugError`, or an exception that no client, file or network has."""
    return isinstance(error, BugError) or not (isinstance(error, OSError) or recognised(error, "the model"))


def now() -> str:
    """Return the current time as rows store it: UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _identity(ask: EvalTask, started_at: str) -> dict[str, Any]:
    question = ask.question
    return {
        "id": question.id,
        "method": ask.method,
        "task": question.task,
        "kind": resolve_kind(question.kind, question.options),
        "key": question.key,
        "weight": float(len(question.scoring_points) or 1),
        "attempt": ask.attempt,
        "started_at": started_at,
    }


def _failed(failure: Failure | None) -> dict[str, Any]:
    if failure is None or failure.boundary == "infrastructure":
        return {"outcome": "infrastructure error", "detail": failure.message if failure else "", "retryable": True}
    return {"outcome": "out of budget" if failure.out_of_budget else "unparsable", "detail": failure.message}


async def _scored(question: Question, answer: Answer, judge: Judge | None) -> dict[str, Any]:
    if answer.value is None:
        return {"outcome": "abstained", "detail": f"looked for {answer.looked_for}"}
    update: dict[str, Any] = {"value": answer.value, "confidence": answer.confidence}
    if question.key is None:
        raise BugError(f"{question.id} has no key; benchmarks leave such questions out.")
    if judge is not None and answer.kind == "text" and question.scoring_points:
        try:
            grades = await judge.grade(question, str(answer.value))
        except InfrastructureError as error:
            return update | {"outcome": "infrastructure error", "detail": str(error), "retryable": True}
        return update | _judged(grades)
    score = score_of(answer, question.key)
    return update | {"score": score, "outcome": _outcome(score)}


def _judged(grades: Grades) -> dict[str, Any]:
    return {
        "score": grades.score,
        "outcome": _outcome(grades.score),
        "coverage": grades.coverage,
        "correctness": grades.correctness,
    }


def _outcome(score: float) -> Outcome:
    return "right" if score >= 1.0 else "partly" if score > 0.0 else "wrong"
