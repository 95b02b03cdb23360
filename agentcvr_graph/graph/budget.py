"""What a run may still spend. Pure arithmetic over the knobs and what has been spent; the graph asks, nothing else.

A budget that is `None` in the context has no limit and is not shown to the master.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentcvr_graph.graph.state import Clock, CVRContext
from agentcvr_graph.types import Cost


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

    @classmethod
    def left(cls, context: CVRContext, turn: int, spent: Cost, clock: Clock) -> Budget:
        """What is left after `turn` calls of the master."""
        tokens, wall_s = context.max_tokens, context.max_wall_s
        return cls(
            turns=context.max_turns - turn,
            frames=max(0, context.max_frames - spent.frames),
            audio_s=max(0.0, context.max_audio_s - spent.audio_s),
            tokens=None if tokens is None else max(0, tokens - spent.input_tokens - spent.output_tokens),
            wall_s=None if wall_s is None else max(0.0, wall_s - clock.elapsed_s),
            off=(("frames",) if not context.max_frames else ())
            + (("audio seconds",) if not context.max_audio_s else ()),
        )

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
