"""Who sits where: a turn that is being sampled, and the slot of its conversation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.rollout.ledger import shared_length

WORTH_SHARING = 16
"""Tokens from which on it pays to copy what another slot holds instead of reading them again."""


@dataclass(eq=False)
class Turn:
    """A call on its way."""

    call: Call
    future: asyncio.Future[Sampled]
    random: random.Random
    unread: list[int]
    """Tokens that have no keys and values yet: the prompt's, then the one drawn last."""
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])

    def answer(self, sampled: Sampled) -> None:
        """Give the caller the turn, unless it no longer waits."""
        if not self.future.done():
            self.future.set_result(sampled)

    def fail(self, error: Exception) -> None:
        """Tell the caller, unless it no longer waits."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False)
class Slot:
    """One conversation's place."""

    number: int
    ids: list[int] = field(default_factory=list[int])
    """What keys and values are held for."""
    turn: Turn | None = None

    @property
    def unread(self) -> list[int]:
        """The tokens of the turn that have no keys and values yet."""
        return self.turn.unread if self.turn is not None else []

    def begin(self, turn: Turn) -> None:
        """Sample a turn here, reading on from what its prompt shares with what is held."""
        prompt = turn.call.prompt_ids
        # At least one token is read anew: the next is drawn from what follows it.
        del self.ids[min(shared_length(self.ids, prompt), len(prompt) - 1) :]
        turn.unread = list(prompt[len(self.ids) :])
        self.turn = turn

    def will_hold(self, prompt: Sequence[int]) -> bool:
        """Whether the next pass reads something that this prompt begins with too, and worth waiting for."""
        coming = shared_length([*self.ids, *self.unread[:-1]], prompt)
        return coming - shared_length(self.ids, prompt) >= WORTH_SHARING

    def clear(self) -> None:
        """Forget everything."""
        self.ids, self.turn = [], None


def nearest(slots: Sequence[Slot], prompt: Sequence[int]) -> Slot | None:
    """The slot that holds, or is about to hold, the longest beginning of a prompt; None where it is not worth it."""
    lengths = [(shared_length([*slot.ids, *slot.unread], prompt), slot) for slot in slots if slot.ids or slot.unread]
    length, slot = max(lengths, key=lambda found: found[0], default=(0, None))
    return slot if length >= WORTH_SHARING else None
