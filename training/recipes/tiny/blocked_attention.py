"""Causal attention in blocks of queries, for training a small model on a CPU.

On a CPU, attention takes most of a small model's step, and half of that time goes into masked pairs, because torch
computes all pairs if it gets a padding mask. This module multiplies each block of queries only with the keys up to the
block's end, by plain matrix products, and keeps the weights for the backward pass. That is 2 to 3 times as fast in bf16
on a processor that multiplies it natively, and 1.3 times in fp32 on others. Padding on the right needs no mask, because
no query attends to later positions; padding on the left costs one addition at the keys that it covers.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from agentcvr_training._typed import register_attention
from agentcvr_training.inference.attention import FULL, layer_kinds
from torch.autograd.function import once_differentiable
from transformers.masking_utils import AttentionMaskInterface

BLOCKS = "agentcvr_blocks"
"""Name under which this attention is registered with transformers."""
BLOCK = 64
"""Queries in one block."""
MASKED = -1e9
"""Value added to masked scores: finite, so that a fully masked padding row does not become NaN."""


def attention_for_training(model: Any) -> str | None:
    """Return the name of the attention to train a model with; None for its own.

    `BLOCKS` holds the attention weights of all layers until the backward pass, so it suits short rows and few heads. It
    does causal attention over whole rows only: another kind of forward pass, or gradient checkpointing, needs the
    model's own.
    """
    text: Any = model.config.get_text_config()
    plain = layer_kinds(text) == {FULL} and not getattr(text, "attention_dropout", 0.0)
    once = not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    on_cpu = next(model.parameters()).device.type == "cpu"
    return BLOCKS if plain and once and on_cpu and text._attn_implementation == "sdpa" else None


class _CausalBlocks(torch.autograd.Function):
    """softmax(q k^T) v over all keys up to a query's own. Inputs are (rows, tokens, size); queries are scaled."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, padding: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute the output; `padding` is added to the scores of the first keys. (rows, 1, first keys)"""
        out, weights = torch.empty_like(query), list[torch.Tensor]()
        ahead = query.new_full((BLOCK, BLOCK), MASKED).triu_(1)
        for start, end in _blocks(query.shape[1]):
            scores = query[:, start:end] @ key[:, :end].transpose(1, 2)
            scores[:, :, start:] += ahead[: end - start, : end - start]
            if padding is not None:
                scores[:, :, : padding.shape[2]] += padding[:, :, :end]
            weights.append(scores.softmax(-1))
            out[:, start:end] = weights[-1] @ value[:, :end]
        ctx.save_for_backward(query, key, value, *weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        query, key, value, *weights = ctx.saved_tensors
        for_query, for_key, for_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for weight, (start, end) in zip(weights, _blocks(query.shape[1]), strict=True):
            given = grad[:, start:end]
            for_value[:, :end].baddbmm_(weight.transpose(1, 2), given)
            # Gradient of the softmax: w * (g - sum(w * g)).
            passed = torch.ops.aten._softmax_backward_data(
                given @ value[:, :end].transpose(1, 2), weight, -1, weight.dtype
            )
            for_query[:, start:end] = passed @ key[:, :end]
            for_key[:, :end].baddbmm_(passed.transpose(1, 2), query[:, start:end])
        return for_query, for_key, for_value, None


def _blocks(tokens: int) -> list[tuple[int, int]]:
    return [(start, min(tokens, start + BLOCK)) for start in range(0, tokens, BLOCK)]


def attend_in_blocks(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend in blocks over whole rows; an attention function of transformers.

    Args:
        query: (rows, heads, tokens, size)
        key: (rows, heads or groups of heads, tokens, size); `value` has the same shape.
        attention_mask: nonzero at tokens, 0 at padding, (rows, tokens); None if no row is padded.

    Returns:
        (rows, tokens, heads, size), and no weights. The values at padding are undefined.
    """
    rows, heads, tokens, size = query.shape
    group = heads // key.shape[1]

    def flat(states: torch.Tensor, times: int = 1) -> torch.Tensor:
        # In mixed precision, norm and rotation return queries and keys in a wider type than values.
        return states.to(value.dtype).repeat_interleave(times, 1).reshape(rows * heads, tokens, size)

    scaled = query * (size**-0.5 if scaling is None else scaling)
    padding = _padding(attention_mask, heads, value.dtype)
    blocks: Any = _CausalBlocks
    out = cast(torch.Tensor, blocks.apply(flat(scaled), flat(key, group), flat(value, group), padding))
    return out.view(rows, heads, tokens, size).transpose(1, 2), None


def _padding(mask: torch.Tensor | None, heads: int, dtype: torch.dtype) -> torch.Tensor | None:
    """Return the values to add to the scores of keys in left padding; None if there is none. (rows x heads, 1, keys)"""
    widest = 0 if mask is None else int(mask.int().argmax(1).max())
    if mask is None or not widest:
        return None
    hidden = mask[:, None, :widest] == 0
    return hidden.to(dtype).mul_(MASKED).repeat_interleave(heads, 0)


def _mask_of_rows(*_: Any, attention_mask: torch.Tensor | None = None, **__: Any) -> torch.Tensor | None:
    """Return the padding mask unchanged, in place of a mask for all pairs."""
    return attention_mask


register_attention(BLOCKS, attend_in_blocks)
masks: Any = AttentionMaskInterface
masks.register(BLOCKS, _mask_of_rows)
