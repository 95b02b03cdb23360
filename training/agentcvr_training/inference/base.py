"""What an engine is: something that samples turns for many graphs at once.

A graph asks for one turn and waits; the engine sees the pending calls of all live graphs and decides how to batch them.
Each call brings the exact ids of its prompt and a seed of its own, so what is sampled does not depend on which other
graphs happen to be in the batch (but for rounding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """The smallest set of tokens whose probabilities reach this much is drawn from; 1 is all of them."""
    max_new_tokens: int = 512
    """Longest turn."""


@dataclass(frozen=True)
class Call:
    """One turn to sample."""

    prompt_ids: Sequence[int]
    session: str
    """Names the conversation; what is remembered of it (keys and values) is used again when it goes on."""
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Sampled:
    """One turn as it was sampled."""

    ids: list[int]
    """Includes the token that ended the turn; without one, the turn was cut at its longest."""
    logprobs: list[float]
    """Log probability of each token at the temperature it was drawn with, before `top_p`."""


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
        """Forget a conversation; it is over."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...
