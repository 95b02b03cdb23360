"""What a run may still spend. Plain arithmetic; `graph/budget.py` derives it from the
context of a run.

A budget that is `None` in the context has no limit and is not shown to the master.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Budget:
    """What is left."""

    turns: int
    """Calls of the master, the answer-only one included."""
    frames: int
    audio_s: float
    tokens: int | None = None
    wall_s: float | None = None
    off: tuple[str, ...] = ()
    """Budgets that were 0 from the start: that sense is switched off, it has not run out."""

    def minus(self, *, frames: int = 0, audio_s: float = 0.0) -> Budget:
        return replace(self, frames=self.frames - frames, audio_s=max(0.0, self.audio_s - audio_s))

    @property
    def run_out(self) -> str:
        """The name of a budget that is used up (for turns: only the answer is left), or an empty string."""
        for name, amount in self.shown():
            if name not in self.off and amount <= (1 if name == "turns" else 0.05):
                return name
        return ""

    def shown(self) -> list[tuple[str, float]]:
        """The limited budgets with their names, as the master reads them."""
        rows: list[tuple[str, float | None]] = [
            ("turns", self.turns),
            ("frames", self.frames),
            ("audio seconds", self.audio_s),
            ("tokens", self.tokens),
            ("seconds of time", self.wall_s),
        ]
        return [(name, float(amount)) for name, amount in rows if amount is not None]
