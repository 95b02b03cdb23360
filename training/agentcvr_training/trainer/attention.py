"""How a model attends during one pass, where its own way is slow or reads what it need not.

`attending` lends a model another attention of transformers and gives its own back. `BLOCKS` is one for training on a
processor. There, most of a step of a small model is attention, and half of that is pairs which are masked anyway,
because with a mask for padding torch computes all of them. Here queries go in blocks, each against the keys up to its
own end, by plain matrix products, and the weights are kept for the way back: 2 to 3 times as fast in bf16. Padding on
the right needs no mask, since nothing looks ahead; padding on the left costs one addition at the keys that it covers.
"""

# torch and transformers leave autograd and configurations open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

BLOCKS = "agentcvr_blocks"
"""Its name among those of transformers."""
BLOCK = 64
"""Queries that are answered together."""
MASKED = -1e9
"""Added to a score that does not count: finite, so that padding which sees nothing does not become NaN."""
FULL = "full_attention"
"""transformers' name for layers that attend to all positions before."""


@contextmanager
def attending(model: Any, name: str | None) -> Generator[None]:
    """The model with another attention; None for its own."""
    config: Any = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = name or before
    try:
        yield
    finally:
        config._attn_implementation = before


def layer_kinds(config: Any) -> set[str]:
    """The kinds of layers of a model, as transformers names them."""
    return set(getattr(config.get_text_config(), "layer_types", None) or [FULL])


def attention_for_training(model: Any) -> str | None:
    """What a model is best trained with; None for its own.

    `BLOCKS` holds the weights of all layers until the way back, so it is for short rows and few heads, as processors
    train them. It does causal attention over whole rows and nothing else: a forward pass of another kind, or one that
    is computed again on the way back, needs the model's own.
    """
    text: Any = model.config.get_text_config()
    plain = layer_kinds(text) == {FULL} and not getattr(text, "attention_dropout", 0.0)
    once = not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    on_cpu = next(model.parameters()).device.type == "cpu"
    return BLOCKS if plain and once and on_cpu and text._attn_implementation == "sdpa" else None


class _CausalBlocks(torch.autograd.Function):
    """softmax(q k^T) v over all keys up to a query's own. All (rows, tokens, size); queries are scaled."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, padding: torch.Tensor | None
    ) -> torch.Tensor:
        """`padding`: what is added at the first keys, (rows, 1, first keys)."""
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
            # What the softmax passes on: w * (g - sum(w * g)).
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
    """An attention function of transformers for whole rows.

    Args:
        query: (rows, heads, tokens, size)
        key: (rows, heads or groups of them, tokens, size); so is `value`.
        attention_mask: where a row has tokens and no padding, (rows, tokens); None where no row is padded.

    Returns:
        (rows, tokens, heads, size), and no weights. What stands at padding means nothing.
    """
    rows, heads, tokens, size = query.shape
    group = heads // key.shape[1]

    def flat(states: torch.Tensor, times: int = 1) -> torch.Tensor:
        # Mixed precision leaves queries and keys wider than values: their norm and their rotation are computed so.
        return states.to(value.dtype).repeat_interleave(times, 1).reshape(rows * heads, tokens, size)

    scaled = query * (size**-0.5 if scaling is None else scaling)
    padding = _padding(attention_mask, heads, value.dtype)
    out = cast(torch.Tensor, _CausalBlocks.apply(flat(scaled), flat(key, group), flat(value, group), padding))
    return out.view(rows, heads, tokens, size).transpose(1, 2), None


def _padding(mask: torch.Tensor | None, heads: int, dtype: torch.dtype) -> torch.Tensor | None:
    """What is added to the scores of the keys before the latest first token. (rows x heads, 1, keys)"""
    widest = 0 if mask is None else int(mask.int().argmax(1).max())
    if mask is None or not widest:
        return None
    hidden = mask[:, None, :widest] == 0
    return hidden.to(dtype).mul_(MASKED).repeat_interleave(heads, 0)


def _mask_of_rows(*_: Any, attention_mask: torch.Tensor | None = None, **__: Any) -> torch.Tensor | None:
    """The mask as it was given, in place of one for all pairs."""
    return attention_mask


AttentionInterface.register(BLOCKS, attend_in_blocks)
AttentionMaskInterface.register(BLOCKS, _mask_of_rows)
