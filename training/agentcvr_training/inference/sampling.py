"""Sample one token for each row, with the row's own random number."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from agentcvr_training._typed import floats, integers
from agentcvr_training.inference.base import Sampling


def draw(
    logits: torch.Tensor,
    samplings: Sequence[Sampling],
    uniforms: Sequence[float],
    written: Sequence[Sequence[int]] = (),
) -> tuple[list[int], list[float]]:
    """Sample one token a row; return ids and log probabilities at the row's temperature.

    A token is found by inverting the cumulative distribution at a uniform number, so a row's tokens depend on its own
    numbers only. The log probability is that of the full distribution, also where a token was drawn from a part of it,
    because the trainer recomputes that one.

    Args:
        logits: (rows, vocabulary)
        samplings: one a row.
        uniforms: one number in [0, 1) a row.
        written: ids that the conversation holds already, one list a row; for a repetition penalty.
    """
    greedy = torch.tensor([sampling.temperature == 0 for sampling in samplings], device=logits.device)
    temperatures = torch.tensor([sampling.temperature or 1.0 for sampling in samplings], device=logits.device)
    logprobs = torch.log_softmax(logits.float() / temperatures[:, None], dim=-1)
    kept = logprobs
    if any(sampling.repetition_penalty != 1 for sampling in samplings):
        kept = torch.log_softmax(_penalized(logits.float(), samplings, written) / temperatures[:, None], dim=-1)
    kept = _truncated(kept, samplings)
    cumulative = kept.exp().double().cumsum(dim=-1)
    goal = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, goal, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]
    ids = torch.where(greedy, kept.argmax(dim=-1), drawn)
    return integers(ids), floats(logprobs.gather(1, ids[:, None])[:, 0])


def _penalized(logits: torch.Tensor, samplings: Sequence[Sampling], written: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the logits with those of tokens that were written before made less likely, as transformers does."""
    out = logits.clone()
    for row, (sampling, ids) in enumerate(zip(samplings, written, strict=True)):
        known = torch.tensor(sorted(set(ids)), dtype=torch.long, device=logits.device)
        held, penalty = logits[row, known], sampling.repetition_penalty
        out[row, known] = torch.where(held < 0, held * penalty, held / penalty)
    return out


def _truncated(logprobs: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """Return the log probabilities, with -inf for tokens that `min_p`, `top_k` and `top_p`, in this order, exclude."""
    floors = [sampling.min_p for sampling in samplings]
    if max(floors) > 0:
        least = logprobs.amax(-1, keepdim=True) + torch.tensor(floors, device=logprobs.device)[:, None].log()
        logprobs = _renormalized(logprobs.masked_fill(logprobs < least, -torch.inf))
    counts = [sampling.top_k for sampling in samplings]
    if max(counts) > 0:
        places = logprobs.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        limits = torch.tensor([count or logprobs.shape[-1] for count in counts], device=logprobs.device)[:, None]
        logprobs = _renormalized(logprobs.masked_fill(places >= limits, -torch.inf))
    # Sorting is only needed where it is used, which most batches do not.
    cut = [sampling.top_p for sampling in samplings]
    return _nucleus(logprobs, cut) if min(cut) < 1 else logprobs


def _renormalized(logprobs: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logprobs, dim=-1)


def _nucleus(logprobs: torch.Tensor, cut: Sequence[float]) -> torch.Tensor:
    """Return the log probabilities, with -inf outside the smallest set that reaches `cut`."""
    ordered, order = logprobs.sort(dim=-1, descending=True)
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    limits = torch.tensor(cut, device=logprobs.device)[:, None]
    return logprobs.scatter(1, order, ordered.masked_fill(before >= limits, -torch.inf))
