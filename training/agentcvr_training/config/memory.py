"""Estimate the memory of one process while it learns, from the shape of the model; arithmetic only.

Models are built on torch's meta device, where a weight has a shape but no storage.

TRL never makes the logits of all positions. GRPO and SFT both call its fused head (`add_fused_lm_head` of
`trl.trainer.utils`, `trl.kernels.chunked_logprob`). It makes tiles of at most 4,096 positions x 32,768 tokens in the
precision of the pass, and adds up the gradients of the head in full precision. A Triton kernel reduces a tile in place;
without Triton, as on a CPU, torch makes several more tiles. Not counted: the whole logits that
`label_smoothing_factor` of SFT needs, fragments of the allocator, buffers of communication, and the context of CUDA.

`tests/training/test_memory_measured.py` compares the estimate with the allocations of both trainers.
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
TILE = (4096, 32768)
"""Positions and tokens of one tile of TRL's fused head."""
TILES_WITHOUT_TRITON = 7.25
"""Tiles in full precision that torch makes to reduce one: logits before and after scaling, log probabilities,
probabilities, gradient, target as bool and as number, difference."""
WITHIN_A_MACHINE = ("HYBRID_SHARD", "_HYBRID_SHARD_ZERO2", "4", "5")
"""accelerate's names of the strategies of the first version of FSDP that shard weights among the processes of one
machine."""
SHARDED = ("FULL_SHARD", "SHARD_GRAD_OP", "1", "2", *WITHIN_A_MACHINE)
"""accelerate's names of the strategies of the first version of FSDP that shard weights."""
KEPT_GATHERED = ("SHARD_GRAD_OP", "_HYBRID_SHARD_ZERO2", "2", "5")
"""Those that keep all weights gathered from the forward to the backward pass."""


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
    """Processes that share the weights."""
    optimizer_shards: int = 1
    """Processes that share gradients and optimizer."""
    all_gathered: bool = False
    """Whether sharded weights stay gathered from the forward to the backward pass."""
    triton: bool = False
    """Whether a Triton kernel reduces the tiles of the fused head, as on GPUs."""


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
    size, trained = BYTES[load.dtype], BYTES[load.trained_dtype]
    adapted = sizes.trained != sizes.all
    needed = {
        "weights": sizes.all * (size if adapted else trained) / load.shards,
        "gradients": sizes.trained * trained / load.optimizer_shards,
        # AdamW keeps two numbers for each weight, in the weight's own precision.
        "optimizer": 2 * sizes.trained * trained / load.optimizer_shards,
        "activations": float(load.rows * load.length * _activations(text, load)),
        "head": _head(text, load, trained=not adapted),
    }
    copies = _copies(config, sizes, load, adapted=adapted)
    if copies:
        needed["gathered weights" if load.shards > 1 else "weights in 16 bits"] = copies
    if adapted:
        needed["adapter"] = sizes.trained * trained / load.optimizer_shards
    if load.cached_keys:
        _, kept = _attention(text)
        needed["keys and values"] = float(load.live_graphs * load.length * int(text.num_hidden_layers) * kept * size)
    if load.colocated:
        needed["weights in vLLM"] = float(sizes.all * 2)
    return needed


def shards_here(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes share the weights, by the variables that `accelerate launch` sets."""
    processes = int(environment.get("WORLD_SIZE", "1"))
    if deepspeed_here(environment):
        return processes if environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3" else 1
    if not _yes(environment, "ACCELERATE_USE_FSDP"):
        return 1
    strategy = environment.get("FSDP_SHARDING_STRATEGY", "1")
    if environment.get("FSDP_VERSION") == "2":
        return processes
    if strategy in WITHIN_A_MACHINE:
        return int(environment.get("LOCAL_WORLD_SIZE", processes))
    return processes if strategy in SHARDED else 1


def optimizer_shards_here(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes share gradients and optimizer."""
    if deepspeed_here(environment) and environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "2":
        return int(environment.get("WORLD_SIZE", "1"))
    return shards_here(environment)


def all_gathered_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether FSDP keeps all weights gathered from the forward to the backward pass."""
    if environment.get("FSDP_VERSION") == "2":
        return environment.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in ("false", "0")
    return environment.get("FSDP_SHARDING_STRATEGY", "1") in KEPT_GATHERED


def trained_dtype(model: Model, environment: Mapping[str, str] = os.environ) -> str:
    """Return the precision of trained weights: peft holds adapters in full precision, FSDP all trained weights."""
    full = model.lora is not None or _yes(environment, "ACCELERATE_USE_FSDP")
    return "float32" if full else model.dtype


def deepspeed_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether `accelerate launch` starts DeepSpeed."""
    return _yes(environment, "ACCELERATE_USE_DEEPSPEED")


def _yes(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in ("true", "1")


def _activations(text: Any, load: Load) -> int:
    """Return the bytes that the backward pass keeps for one token."""
    layers, width, inner = int(text.num_hidden_layers), int(text.hidden_size), int(text.intermediate_size)
    queries, kept = _attention(text)
    # In full precision: each of two norms keeps its input and what it scales; norms of queries and keys their input.
    exact = 4 * width + queries + kept // 2
    # In the precision of the pass: outputs of two norms; queries scaled and rotated, and the attention output; keys
    # likewise, and values; four vectors of the feed-forward part: gate, its activation, the other half, their product.
    computed = 2 * width + 3 * queries + 3 * kept // 2 + 4 * inner
    layer = 4 * exact + _computed(load) * computed
    # With checkpointing, one layer is complete at a time; of the others only the input is kept.
    return layers * width * BYTES[load.dtype] + layer if load.checkpointing else layers * layer


def _head(text: Any, load: Load, *, trained: bool) -> float:
    """Return the bytes of the output layer in the backward pass: one tile, and gradients in full precision."""
    tokens, vocabulary, width = load.rows * load.length, int(text.vocab_size), int(text.hidden_size)
    size, computed, (positions, columns) = BYTES[load.dtype], _computed(load), TILE
    high = min(tokens, positions)
    needed = float(high * columns * computed)
    if not load.triton:
        needed += high * min(vocabulary, columns) * 4 * TILES_WITHOUT_TRITON
    # States of the last layer and their gradient.
    needed += tokens * width * (size + 4)
    if computed != size:
        needed += min(vocabulary, columns) * width * computed
    return needed + vocabulary * width * 4 if trained else needed


def _copies(config: Any, sizes: Sizes, load: Load, *, adapted: bool) -> float:
    """Return the bytes of whole weights that exist only during a pass.

    FSDP gathers the embeddings, and one layer while it uses the one before, and reduces gradients of the same size.
    Without FSDP, autocast copies matrices into 16 bits and keeps them until the end of the forward pass.
    """
    text = config.get_text_config()
    tied = bool(getattr(config, "tie_word_embeddings", False))
    embeddings = int(text.vocab_size) * int(text.hidden_size) * (1 if tied else 2)
    layers = max(0, sizes.all - embeddings)
    if load.shards > 1:
        used = embeddings + 2 * layers / int(text.num_hidden_layers)
        gathered = sizes.all if load.all_gathered else used
        return (gathered if adapted else gathered + used) * _computed(load)
    casts = load.half_activations and load.dtype == "float32"
    return float(layers * 2) if casts and not (adapted and load.checkpointing) else 0.0


def _computed(load: Load) -> int:
    """Return the bytes of a number in a forward pass."""
    return 2 if load.half_activations else BYTES[load.dtype]


def _attention(text: Any) -> tuple[int, int]:
    """Return the numbers of a token's queries, and of its keys and values together, in one layer."""
    heads = int(text.num_attention_heads)
    size = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    return heads * size, 2 * int(getattr(text, "num_key_value_heads", None) or heads) * size
