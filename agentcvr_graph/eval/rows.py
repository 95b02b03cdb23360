"""One row a question and method: what a run keeps of an answer, and all that figures are made of."""

from __future__ import annotations

from typing import Literal, get_args

from agentcvr_graph.types import AnswerKind, AnswerValue, FrozenModel, Usage

Outcome = Literal["right", "partly", "wrong", "unparsable", "out of budget", "infrastructure error"]
"""How a question ended. The last three have no answer and score 0: the master never gave a valid one, it did not before
a budget ran out, or a model, a server or a file failed."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Row(FrozenModel):
    """What came of one question."""

    id: str
    method: str
    task: str
    kind: AnswerKind
    outcome: Outcome
    score: float
    """From 0 to 1, by the rule of the benchmark."""
    weight: float = 1.0
    """How much it counts within its task: the scoring points of a judged answer, else 1."""
    value: AnswerValue | None = None
    key: AnswerValue | None = None
    detail: str = ""
    """Why there is no answer, or what the judge said."""
    retryable: bool = False
    """The world failed in a way that may be over by the next attempt."""
    attempt: int = 1
    turns: int = 0
    usage: Usage = Usage()
    coverage: tuple[bool, ...] = ()
    """For each scoring point, whether the answer speaks of it."""
    correctness: tuple[bool, ...] = ()
    """For each scoring point, whether what it says is right."""
    asked_at: str = ""
    """When it was asked, UTC, ISO 8601."""

    @property
    def place(self) -> tuple[str, str]:
        """What it is the row of."""
        return self.method, self.id
