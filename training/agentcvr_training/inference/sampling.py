"""Drawing tokens, row by row with each row's own random numbers."""

# torch leaves `tolist` open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence

import torch

from agentcvr_training.inference.base import Sampling


def draw(
    logits: torch.Tensor, samplings: Sequence[Sampling], uniforms: Sequence[float]
) -> tuple[list[int], list[float]]:
    """One token a row, and its log probability at the row's temperature.

    A token is found by inverting the cumulative distribution at a uniform number, so a row's tokens follow from its own
    numbers alone. The log probability is that of the whole distribution, also where `top_p` cuts it: that is what a
    trainer computes again.

    Args:
        logits: (rows, vocabulary)
        samplings: one a row.
        uniforms: one number in [0, 1) a row.
    """
    greedy = torch.tensor([sampling.temperature == 0 for sampling in samplings], device=logits.device)
    temperatures = torch.tensor([sampling.temperature or 1.0 for sampling in samplings], device=logits.device)
    logprobs = torch.log_softmax(logits.float() / temperatures[:, None], dim=-1)
    # One batch has one way of sampling nearly always; sorting is only for where it is asked for.
    cut = [sampling.top_p for sampling in samplings]
    kept = _nucleus(logprobs, cut) if min(cut) < 1 else logprobs
    cumulative = kept.exp().double().cumsum(dim=-1)
    goal = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, goal, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]
    ids = torch.where(greedy, logprobs.argmax(dim=-1), drawn)
    return ids.tolist(), logprobs.gather(1, ids[:, None])[:, 0].tolist()


def _nucleus(logprobs: torch.Tensor, cut: Sequence[float]) -> torch.Tensor:
    """The log probabilities with -inf outside the smallest set that reaches `cut`."""
    ordered, order = logprobs.sort(dim=-1, descending=True)
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    limits = torch.tensor(cut, device=logprobs.device)[:, None]
    return logprobs.scatter(1, order, ordered.masked_fill(before >= limits, -torch.inf))
