"""What a reasoning trace is: an answer, the notes that lead to it, and its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentcvr_graph.models.offline.master.reading import Statement
from agentcvr_graph.types import AnswerValue

UNKNOWN = "?"


@dataclass(frozen=True)
class ReasoningTrace:
    """An answer, the notes that lead to it, and its evidence."""

    notes: str
    """The findings, video by video."""
    value: AnswerValue
    support: list[Statement] = field(default_factory=list[Statement])
    conclusion: str = ""
    """Conclusion from the notes, if the answer needs one more step."""

    @property
    def text(self) -> str:
        """Return notes and conclusion."""
        return f"{self.notes} {self.conclusion}".strip()
