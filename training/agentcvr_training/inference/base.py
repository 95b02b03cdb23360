"""The contract of an engine, which samples turns for many graphs concurrently.

A graph requests one turn and waits; the engine sees the pending calls of all live graphs and decides how to batch them.
Each call carries the exact ids of its prompt and its own seed, so its tokens do not depend on the other graphs in the
batch, except for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters."""

    temperature: float = 1.0
    """0 takes the most likely token."""
    top_p: float = 1.0
    """Tokens are drawn from the smallest set whose probabilities sum to this; 1 means all tokens."""
    max_new_tokens: int = 512
    """Length of the longest turn, in tokens."""
    top_k: int = 0
    """Tokens are drawn from the most likely ones, as many as this; 0 means all tokens."""
    min_p: float = 0.0
    """Tokens are drawn from those with at least this share of the probability of the most likely one."""
    repetition_penalty: float = 1.0
    """Divides the logits of tokens that the conversation holds already, negative ones multiplied; 1 for none. Not for
    training: the trainer computes probabilities without it."""


@dataclass(frozen=True)
class Call:
    """One turn to sample."""

    prompt_ids: Sequence[int]
    session: str
    """Name of the conversation; its cached keys and values are reused by later calls."""
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Sampled:
    """One sampled turn."""

    ids: list[int]
    """Includes the token that ended the turn; without one, the turn was cut at its maximum length."""
    logprobs: list[float]
    """Log probability of each token at the sampling temperature, of the full distribution: before `min_p`, `top_k` and
    `top_p`, and without a repetition penalty."""


class Engine(Protocol):
    """A batching sampler. Use it as a context manager; it may hold threads and memory."""

    async def sample(self, call: Call) -> Sampled:
        """Sample one turn.

        Raises:
            InfrastructureError: the backend failed.
            BugError: the engine is closed, or the prompt is longer than the model allows.
        """
        ...

    def release(self, session: str) -> None:
        """Free the memory held for a conversation that has ended."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...
