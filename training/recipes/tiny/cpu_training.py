"""The `model.forward_context` of the recipe: what makes a training step of a small model fast on a processor.

Two measures, open around each loss computation and without effect on an accelerator:

- Attention in blocks (`blocked_attention.py`), where the model allows it.
- TRL's head scores only positions that have a label. TRL does so where it has kernels for it. Elsewhere it scores all
  positions, because compilers want one shape, and discards the others: prompts, padding, and in a warm start all that
  the environment wrote, which on a processor is a fifth of a step.
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
    """Compute losses in the block with both measures."""
    with _scoring_labels_only(), use_attention(model, attention_for_training(model)):
        yield


@contextmanager
def _scoring_labels_only() -> Generator[None]:
    internals: Any = trl_utils
    before = internals._use_triton

    def compact(device: torch.device) -> bool:
        return device.type == "cpu" or bool(before(device))

    internals._use_triton = compact
    try:
        yield
    finally:
        internals._use_triton = before
