"""The result row of one question and method; summaries and reports are computed from rows alone."""

from __future__ import annotations

from typing import Literal, get_args

from agentcvr_graph.types import AnswerKind, AnswerValue, FrozenModel, Usage

Outcome = Literal["right", "partly", "wrong", "abstained", "unparsable", "out of budget", "infrastructure error", "bug"]
"""How a question ended. The last five have no answer and score 0: the master abstained, no reply was valid, a budget
ran out first, a model, a server or a file failed, or the code of this library or of a plugin did (its traceback is in
the log)."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Row(FrozenModel):
    """The result of one question by one method."""

    id: str
    method: str
    task: str
    group: str = ""
    """The second way to group results, as the question has it."""
    kind: AnswerKind
    outcome: Outcome
    score: float
    """From 0 to 1, by the rule of the benchmark."""
    strict: float | None = None
    """The score by the benchmark's own script (`strict.py`); None if the run does not ask for it, or if that script
    leaves the question out."""
    weight: float = 1.0
    """Weight within its task: the number of scoring points of a judged answer, else 1."""
    value: AnswerValue | None = None
    key: AnswerValue | None = None
    confidence: float | None = None
    """How sure the method says it is of its value, from 0 to 1; None if it does not say."""
    detail: str = ""
    """Why there is no answer, or what an abstention looked for."""
    notes: tuple[str, ...] = ()
    """What limited the evidence, such as 'video 1: from 5.0 to 10.0 s there is no sound'."""
    retryable: bool = False
    """Whether it failed because of a bug, or of an infrastructure error that may be temporary."""
    attempt: int = 1
    turns: int = 0
    usage: Usage = Usage()
    coverage: tuple[bool, ...] = ()
    """For each scoring point, whether the answer mentions it."""
    correctness: tuple[bool, ...] = ()
    """For each scoring point, whether the answer is correct about it."""
    started_at: str = ""
    """Start of the attempt, UTC, ISO 8601."""

    @property
    def answered(self) -> bool:
        """Return whether there is a value, right or wrong."""
        return self.outcome in ("right", "partly", "wrong")

    @property
    def place(self) -> tuple[str, str]:
        """Return method and id, which identify the row."""
        return self.method, self.id
