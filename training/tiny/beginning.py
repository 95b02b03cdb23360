"""From nothing to a model that can be taught: a tokenizer learned from demonstrations, and weights drawn at random.

The weights are not drawn blindly. To read evidence is to look for the same word again, and a model of this size is slow
to find that out from independent weights. So the keys of each layer begin as its queries, and its output projection as
the transpose of its values: a head begins by attending to what resembles a token and by adding more of it (Trockman and
Kolter, "Mimetic initialization of self-attention layers", ICML 2023, in its simplest form). Nothing of the tasks is in
it.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.demonstrations import Demonstration
from training.tiny.language import train_tokenizer

WIDTH, LAYERS, HEAD = 128, 4, 32
FEED_FORWARD = 3 * WIDTH
ROTATIONS = 100_000.0
"""Base of the rotary positions: large, so that words far apart can still be found alike."""
MAX_LENGTH = 4096
ALIKE = 0.5
"""Scale of the output projection against the values it begins from."""


def begin(demonstrations: Iterable[Demonstration], folder: Path, seed: int) -> Path:
    """Write a tokenizer and an untrained model; the folder."""
    texts = (message.text for one in demonstrations for message in one.conversation()[1:])
    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(folder)
    untrained(tokenizer, seed).save_pretrained(folder)
    return folder


def untrained(tokenizer: Any, seed: int) -> Any:
    """A Qwen3 of about a million weights."""
    torch.manual_seed(seed)
    heads = WIDTH // HEAD
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=FEED_FORWARD,
        num_hidden_layers=LAYERS,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=HEAD,
        tie_word_embeddings=True,
        max_position_embeddings=MAX_LENGTH,
        rope_parameters={"rope_type": "default", "rope_theta": ROTATIONS},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Any = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            attention.q_proj.weight.normal_(0, WIDTH**-0.5)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            attention.v_proj.weight.normal_(0, WIDTH**-0.5)
            attention.o_proj.weight.copy_(ALIKE * attention.v_proj.weight.T)
    return model
