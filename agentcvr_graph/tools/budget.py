"""The remaining budget of a run. `graph/budget.py` derives it from the context of a run.

A budget that is `None` in the context has no limit and is not shown to the master.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentcvr_graph.types import Cost


@dataclass(frozen=True)
class Budget:
    """The amounts that are left."""

    turns: int
    """Calls of the master, including the last one, which may only answer."""
    frames: int
    audio_s: float
    tokens: int | None = None
    wall_s: float | None = None
    frames_per_call: int | None = None
    """Largest number of frames of one call; None for no limit."""
    off: tuple[str, ...] = ()
    """Budgets that were 0 from the start. Their modality is switched off, which does not count as run out."""

    @property
    def frames_for_call(self) -> int:
        """Frames that the next call may spend."""
        return self.frames if self.frames_per_call is None else min(self.frames, self.frames_per_call)

    def minus(self, cost: Cost) -> Budget:
        """Return the budget after a planned request. Tokens are not planned; they are counted after they were spent."""
        return replace(self, frames=self.frames - cost.frames, audio_s=max(0.0, self.audio_s - cost.audio_s))

    @property
    def run_out(self) -> str:
        """The name of a budget that has run out (turns: only the last one is left), or an empty string."""
        for name, amount in self.shown():
            if name not in self.off and amount <= (1 if name == "turns" else 0.05):
                return name
        return ""

    def shown(self) -> list[tuple[str, float]]:
        """Return the limited budgets with their names, as the master reads them."""
        rows: list[tuple[str, float | None]] = [
            ("turns", self.turns),
            ("frames", self.frames),
            ("audio seconds", self.audio_s),
            ("tokens", self.tokens),
            ("seconds of time", self.wall_s),
        ]
        return [(name, float(amount)) for name, amount in rows if amount is not None]
