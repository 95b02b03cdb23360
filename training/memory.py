"""What a run will need in memory, from the shape of the model alone. Estimates, for one process; arithmetic only.

Sharding (FSDP, ZeRO) divides weights, gradients and optimizer states by the number of processes; the rest stays.
"""

# transformers leaves its configurations open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GIB = 2**30


@dataclass(frozen=True)
class Load:
    """How a model is used."""

    dtype: str
    lora_rank: int
    batch: int
    """Rows of one forward and backward pass."""
    length: int
    """Tokens of the longest row."""
    live_graphs: int
    cached_keys: bool
    """Whether keys and values are held in this process (the engine `cached`)."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass."""


def parameters_of(config: Any) -> int:
    """Weights of a model of this shape; none are made."""
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())


def adapter_parameters(config: Any, rank: int) -> int:
    """Weights of a low-rank adapter on every linear layer but the head."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    return sum(rank * (layer.in_features + layer.out_features) for layer in layers)


def estimate(config: Any, load: Load) -> dict[str, float]:
    """Bytes by what takes them."""
    text = config.get_text_config()
    weights = parameters_of(config)
    trained = adapter_parameters(config, load.lora_rank) if load.lora_rank else weights
    size = BYTES[load.dtype]
    heads = int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
    head = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    layers, width = int(text.num_hidden_layers), int(text.hidden_size)
    needed = {
        "weights": float(weights * size),
        "gradients": float(trained * size),
        # AdamW keeps two numbers a weight, in the weight's own precision.
        "optimizer": float(2 * trained * size),
        # One vector a token and layer where the rest is computed again; about seventeen (attention, both halves of the
        # feed-forward part, norms) where all is kept.
        "activations": float(load.batch * load.length * layers * width * size * (1 if load.checkpointing else 17)),
        # Logits and their gradient in full precision.
        "logits": float(load.batch * load.length * text.vocab_size * 4 * 2),
    }
    if load.cached_keys:
        needed["keys and values"] = float(load.live_graphs * load.length * 2 * layers * heads * head * size)
    return needed
