"""Derive the budget that a run has left from its context and its cost so far."""

from __future__ import annotations

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Cost


def budget_left(context: CVRContext, turn: int, spent: Cost, elapsed_s: float) -> Budget:
    """Return the budget that is left after `turn` calls of the master and `elapsed_s` seconds of work."""
    tokens, wall_s = context.max_tokens, context.max_wall_s
    return Budget(
        turns=context.max_turns - turn,
        frames=max(0, context.max_frames - spent.frames),
        audio_s=max(0.0, context.max_audio_s - spent.audio_s),
        tokens=None if tokens is None else max(0, tokens - spent.input_tokens - spent.output_tokens),
        wall_s=None if wall_s is None else max(0.0, wall_s - elapsed_s),
        frames_per_call=context.max_frames_per_call,
        off=(("frames",) if not context.max_frames else ()) + (("audio seconds",) if not context.max_audio_s else ()),
    )


def full_budget(context: CVRContext) -> Budget:
    """Return the budget of a run that has not spent anything."""
    return budget_left(context, turn=0, spent=Cost(), elapsed_s=0.0)
