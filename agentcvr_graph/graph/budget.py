"""Derive the budget that a run has left from its context, its cost so far and the caller's recursion limit.

A graph in a parent inherits the parent's `recursion_limit`. The turns that fit into it count like `max_turns`: the last
one may only answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agentcvr_graph.errors import SettingsError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import CVRState
from agentcvr_graph.tools.budget import Budget
from agentcvr_graph.types import Cost

STEPS_PER_TURN = 2
"""Supersteps of a turn: the master, then its agents or `conclude`."""
STEPS_PER_CHECK = 2
"""Supersteps of the checks of an answer: `verify`, then `conclude` again."""
RESERVED = 0.2
"""Share of each budget that is kept for the checks of citations."""
RAISE_LIMIT = " The `recursion_limit` of the run leaves no other turn; raise it in the config."
"""Ends the message of a failure that another turn might have avoided."""
UNLIMITED = 10**6
"""Supersteps where the caller is not known to limit them."""


@dataclass(frozen=True)
class Reserve:
    """The part of the budgets that is kept for `verify` from the start of a question; all 0 without the feature."""

    frames: int = 0
    audio_s: float = 0.0
    tokens: int = 0
    wall_s: float = 0.0
    turns: int = 0
    """Turns in which the master reads the result of the checks: 0 or 1."""
    steps: int = 0
    """Supersteps besides those of a turn: `verify` and `conclude`, now and after that turn."""


NO_RESERVE = Reserve()


def remaining_steps(state: CVRState) -> int:
    """Return the supersteps that the caller's `recursion_limit` leaves, including this one."""
    return state.get("remaining_steps", UNLIMITED)


def check_steps(state: CVRState) -> None:
    """Check that the caller's recursion limit leaves a turn after the brief.

    Raises:
        SettingsError: it does not.
    """
    steps = remaining_steps(state)
    if steps < 1 + STEPS_PER_TURN:
        raise SettingsError(
            f"`recursion_limit` leaves {steps} supersteps, and a question needs at least {1 + STEPS_PER_TURN}.",
            fix="Raise `recursion_limit` in the config of the run; every turn of the master takes two.",
        )


def budget_left(
    context: CVRContext,
    turn: int,
    spent: Cost,
    elapsed_s: float,
    steps: int = UNLIMITED,
    withheld: Reserve = NO_RESERVE,
) -> Budget:
    """Return the budget that is left after `turn` calls of the master and `elapsed_s` seconds of work.

    Args:
        steps: supersteps that are left, from a master on; they limit the turns too.
        withheld: what is kept for the checks of citations. The last turn is never withheld.
    """
    tokens, wall_s = context.max_tokens, context.max_wall_s
    turns = min(context.max_turns - turn, (steps - withheld.steps) // STEPS_PER_TURN)
    return Budget(
        turns=turns if turns <= 1 else max(1, turns - withheld.turns),
        frames=max(0, context.max_frames - spent.frames - withheld.frames),
        audio_s=max(0.0, context.max_audio_s - spent.audio_s - withheld.audio_s),
        tokens=None if tokens is None else max(0, tokens - spent.input_tokens - spent.output_tokens - withheld.tokens),
        wall_s=None if wall_s is None else max(0.0, wall_s - elapsed_s - withheld.wall_s),
        frames_per_call=context.max_frames_per_call,
        off=(("frames",) if not context.max_frames else ()) + (("audio seconds",) if not context.max_audio_s else ()),
    )


def full_budget(context: CVRContext, steps: int = UNLIMITED, withheld: Reserve = NO_RESERVE) -> Budget:
    """Return the budget of a run that has not spent anything."""
    return budget_left(context, turn=0, spent=Cost(), elapsed_s=0.0, steps=steps, withheld=withheld)


def reserve_of(context: CVRContext) -> Reserve:
    """Return what a run keeps for the checks of its citations: a fifth of every budget, and one turn."""
    turns = 1 if context.max_turns > 1 else 0
    return Reserve(
        frames=math.ceil(RESERVED * context.max_frames),
        audio_s=RESERVED * context.max_audio_s,
        tokens=math.ceil(RESERVED * (context.max_tokens or 0)),
        wall_s=RESERVED * (context.max_wall_s or 0.0),
        turns=turns,
        steps=STEPS_PER_CHECK * (1 + turns),
    )


def withheld_of(state: CVRState, reserve: Reserve) -> Reserve:
    """Return what is left of a reserve. Its turn is free as soon as a result of checks was sent to the master."""
    checks = state.get("verifications") or []
    if not checks or reserve == NO_RESERVE:
        return reserve
    spent = sum((one.cost for one in checks), Cost())
    return Reserve(
        frames=max(0, reserve.frames - spent.frames),
        audio_s=max(0.0, reserve.audio_s - spent.audio_s),
        tokens=max(0, reserve.tokens - spent.input_tokens - spent.output_tokens),
        wall_s=reserve.wall_s,
        turns=0,
        steps=STEPS_PER_CHECK,
    )
