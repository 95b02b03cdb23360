"""Sample one token for each row, with the row's own random number."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from agentcvr_training._typed import floats, integers
from agentcvr_training.inference.base import Sampling


def draw(
    logits: torch.Tensor, samplings: Sequence[Sampling], uniforms: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Sample one token a row; return ids and log probabilities at the row's temperature.

    A token is found by inverting the cumulative distribution at a uniform number, so a row's tokens depend on its own
    numbers only. The log probability is that of the full distribution, also with `top_p`, because the trainer
    recomputes that one.

    Args:
        logits: (rows, vocabulary)
        samplings: one a row.
        uniforms: one number in [0, 1) a row.
    """
    greedy = torch.tensor([sampling.temperature == 0 for sampling in samplings], device=logits.device)
    temperatures = torch.tensor([sampling.temperature or 1.0 for sampling in samplings], device=logits.device)
    logprobs = torch.log_softmax(logits.float() / temperatures[:, None], dim=-1)
    # Sorting is only needed for `top_p`, which most batches do not use.
    cut = [sampling.top_p for sampling in samplings]
    kept = _nucleus(logprobs, cut) if min(cut) < 1 else logprobs
    cumulative = kept.exp().double().cumsum(dim=-1)
    goal = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, goal, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]
    ids = torch.where(greedy, logprobs.argmax(dim=-1), drawn)
    return integers(ids), floats(logprobs.gather(1, ids[:, None])[:, 0])


def _nucleus(logprobs: torch.Tensor, cut: Sequence[float]) -> torch.Tensor:
    """Return the log probabilities, with -inf outside the smallest set that reaches `cut`."""
    ordered, order = logprobs.sort(dim=-1, descending=True)
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    limits = torch.tensor(cut, device=logprobs.device)[:, None]
    return logprobs.scatter(1, order, ordered.masked_fill(before >= limits, -torch.inf))
