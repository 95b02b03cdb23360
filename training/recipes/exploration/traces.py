"""What a reasoning trace is: an answer, the notes that lead to it, and its evidence."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from agentcvr_graph.models.offline.master.reading import Statement
from agentcvr_graph.types import AnswerValue

UNKNOWN = "?"
YES, NO = "yes", "no"
_OPEN = re.compile(rf"^\[video (\d+), .*{re.escape(UNKNOWN)}; ([\d.]+)-([\d.]+)", re.MULTILINE)


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


def one_video(
    notes: Sequence[str], verdicts: Sequence[str], support: Sequence[Statement], rng: random.Random
) -> ReasoningTrace:
    """Return the video with the verdict yes; else guess among those of which nothing is known, else among all."""
    best = next((verdict for verdict in (YES, UNKNOWN) if verdict in verdicts), NO)
    chosen = rng.choice([n for n, verdict in enumerate(verdicts) if verdict == best])
    return ReasoningTrace("\n".join(notes), ascii_uppercase[chosen], list(support))


def open_windows(notes: str) -> dict[int, tuple[float, float]]:
    """Return the windows in which notes say that something is still to be found, by video, in seconds.

    >>> open_windows("wanted: mill\\n[video 1, mill, ticket 7\\n[video 2, mill ?; 97.0-148.2")
    {2: (97.0, 148.2)}
    """
    return {int(video): (float(start), float(end)) for video, start, end in _OPEN.findall(notes)}
