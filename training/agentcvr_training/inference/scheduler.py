"""The scheduler of the cached engine: calls in progress, and the KV-cache slots of their conversations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.rollout.ledger import shared_length

WORTH_SHARING = 16
"""Shortest shared prefix, in tokens, for which a copy from another slot is cheaper than a new prefill."""


@dataclass(eq=False)
class PendingCall:
    """A call whose turn is being sampled."""

    call: Call
    future: asyncio.Future[Sampled]
    random: random.Random
    unread: list[int]
    """Tokens without keys and values yet: those of the prompt, later the last sampled one."""
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])

    def answer(self, sampled: Sampled) -> None:
        """Return the turn to the caller, unless the call was cancelled."""
        if not self.future.done():
            self.future.set_result(sampled)

    def fail(self, error: Exception) -> None:
        """Raise an error in the caller, unless the call was cancelled."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False)
class Slot:
    """The KV-cache slot of one conversation."""

    number: int
    ids: list[int] = field(default_factory=list[int])
    """Tokens whose keys and values the slot holds."""
    pending: PendingCall | None = None

    @property
    def unread(self) -> list[int]:
        """Return the tokens of the pending call without keys and values yet."""
        return self.pending.unread if self.pending is not None else []

    def start(self, pending: PendingCall) -> None:
        """Assign a call; mark as unread the part of its prompt that the slot does not hold."""
        prompt = pending.call.prompt_ids
        # At least one token is read again, because the logits after it give the next token.
        del self.ids[min(shared_length(self.ids, prompt), len(prompt) - 1) :]
        pending.unread = list(prompt[len(self.ids) :])
        self.pending = pending

    def will_hold(self, prompt: Sequence[int]) -> bool:
        """Return whether the next pass adds enough of this prompt's prefix to the slot to be worth waiting for."""
        coming = shared_length([*self.ids, *self.unread[:-1]], prompt)
        return coming - shared_length(self.ids, prompt) >= WORTH_SHARING

    def clear(self) -> None:
        """Drop the held tokens and the call."""
        self.ids, self.pending = [], None


def nearest_prefix(slots: Sequence[Slot], prompt: Sequence[int]) -> Slot | None:
    """Return the slot that holds, or will hold, the longest prefix of a prompt; None below `WORTH_SHARING`."""
    lengths = [(shared_length([*slot.ids, *slot.unread], prompt), slot) for slot in slots if slot.ids or slot.unread]
    length, slot = max(lengths, key=lambda found: found[0], default=(0, None))
    return slot if length >= WORTH_SHARING else None
