"""Estimate the memory of one process of a run from the shape of the model; arithmetic only.

Models are built on torch's meta device, where a weight has a shape but no storage.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from agentcvr_training._typed import adapt_model, model_of
from agentcvr_training.config.loading import lora_config
from agentcvr_training.config.settings import Lora, Model

BYTES = {"float32": 4, "bfloat16": 2}
GIB = 2**30
SHARDED = ("FULL_SHARD", "HYBRID_SHARD", "1", "4")
"""accelerate's names of the strategies that shard weights under the first version of FSDP."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of weights of a model."""

    all: int
    trained: int
    """Number of trained weights: all, or those of an adapter, which are not part of `all`."""


@dataclass(frozen=True)
class Load:
    """The settings of a run that decide the memory of one process."""

    dtype: str
    trained_dtype: str
    """Precision of trained weights, their gradients and their optimizer."""
    rows: int
    """Rows of one forward and backward pass."""
    length: int
    """Tokens of the longest row."""
    live_graphs: int
    cached_keys: bool
    """Whether keys and values are held in this process (the engine `cached`)."""
    colocated: bool
    """Whether vLLM runs in this process, with its own copy of the weights."""
    half_activations: bool
    """Whether passes compute in 16 bits."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass."""
    shards: int = 1
    """Processes that share weights, gradients and optimizer."""


def sizes_of(config: Any, lora: Lora | None) -> Sizes:
    """Count the weights of a model of this shape without allocating any.

    Raises:
        InputError: the adapter targets modules that the model does not have.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model: Any = model_of(config)
        weights = int(model.num_parameters())
        if lora is None:
            return Sizes(weights, weights)
        return Sizes(weights, _adapter(model, lora))


def _adapter(model: Any, lora: Lora) -> int:
    adapted = adapt_model(model, lora_config(lora, model))
    return sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)


def estimate(config: Any, sizes: Sizes, load: Load) -> dict[str, float]:
    """Return the bytes needed, by purpose."""
    text = config.get_text_config()
    size, trained, tokens = BYTES[load.dtype], BYTES[load.trained_dtype], load.rows * load.length
    adapted = sizes.trained != sizes.all
    computed = 2 if load.half_activations else size
    needed = {
        "weights": sizes.all * (size if adapted else trained) / load.shards,
        "gradients": sizes.trained * trained / load.shards,
        # AdamW keeps two numbers for each weight, in the weight's own precision.
        "optimizer": 2 * sizes.trained * trained / load.shards,
        "activations": float(tokens * _numbers_a_token(text, load.checkpointing) * computed),
        # Logits and their gradient in full precision.
        "logits": float(tokens * int(text.vocab_size) * 4 * 2),
    }
    if adapted:
        needed["adapter"] = sizes.trained * trained / load.shards
    if load.cached_keys:
        _, kept = _attention(text)
        needed["keys and values"] = float(load.live_graphs * load.length * int(text.num_hidden_layers) * kept * size)
    if load.colocated:
        needed["weights in vLLM"] = float(sizes.all * 2)
    return needed


def shards_here(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes share the weights, by the variables that `accelerate launch` sets."""
    zero3 = deepspeed_here(environment) and environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    second = environment.get("FSDP_VERSION") == "2" or environment.get("FSDP_SHARDING_STRATEGY", "1") in SHARDED
    fsdp = _yes(environment, "ACCELERATE_USE_FSDP") and second
    return int(environment.get("WORLD_SIZE", "1")) if zero3 or fsdp else 1


def trained_dtype(model: Model, environment: Mapping[str, str] = os.environ) -> str:
    """Return the precision of trained weights: peft holds adapters in full precision, FSDP all trained weights."""
    full = model.lora is not None or _yes(environment, "ACCELERATE_USE_FSDP")
    return "float32" if full else model.dtype


def deepspeed_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether `accelerate launch` starts DeepSpeed."""
    return _yes(environment, "ACCELERATE_USE_DEEPSPEED")


def _yes(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in ("true", "1")


def _numbers_a_token(text: Any, checkpointing: bool) -> int:
    """Return how many numbers the backward pass keeps for one token."""
    layers, width, inner = int(text.num_hidden_layers), int(text.hidden_size), int(text.intermediate_size)
    queries, kept = _attention(text)
    # Two norms and two residuals; queries and the attention output; keys and values; and four vectors of the
    # feed-forward part: gate, its activation, the other half, their product.
    layer = 4 * width + 2 * queries + kept + 4 * inner
    # With checkpointing, one layer is complete at a time; of the others only the input is kept.
    return layers * width + layer if checkpointing else layers * layer


def _attention(text: Any) -> tuple[int, int]:
    """Return the numbers of a token's queries, and of its keys and values together, in one layer."""
    heads = int(text.num_attention_heads)
    size = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    return heads * size, 2 * int(getattr(text, "num_key_value_heads", None) or heads) * size
