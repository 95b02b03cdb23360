"""The `model.forward_context` of the recipe: makes a training step of a small model fast on a CPU.

Two optimizations are active during each loss computation; neither has an effect on an accelerator:

- Attention in blocks (`blocked_attention.py`), if the model allows it.
- TRL's head computes logits only at positions that have a label. TRL does so where it has Triton kernels. Elsewhere it
  computes all positions, because compilers need one shape, and discards the rest: prompts, padding, and in a warm start
  the environment's text. On a CPU that is a fifth of a step.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from agentcvr_training.inference.attention import use_attention
from trl.trainer import utils as trl_utils

from training.recipes.tiny.blocked_attention import attention_for_training


@contextmanager
def fast_on_cpu(model: Any) -> Generator[None]:
    """Compute losses in the block with both optimizations."""
    with labels_only_on_cpu(model), use_attention(model, attention_for_training(model)):
        yield


@contextmanager
def labels_only_on_cpu(model: Any) -> Generator[None]:
    """Compute losses in the block with logits at labels only: for models whose attention weights would not fit."""
    internals: Any = trl_utils
    before = internals._use_triton

    def compact(device: torch.device) -> bool:
        return device.type == "cpu" or bool(before(device))

    internals._use_triton = compact
    try:
        yield
    finally:
        internals._use_triton = before
