"""Initialization: a tokenizer learned from demonstrations, and random weights with one prepared circuit.

Reading evidence means finding the place where the same words occurred before and repeating what followed. Language
models learn induction heads for that by themselves (Olsson et al., "In-context Learning and Induction Heads", 2022),
but a small model learns them late, after more text than two CPU cores can process in half an hour. So two heads of the
first layer are initialized to attend one token back and write a note of that token. Three heads of the second layer are
initialized to attend to places whose note is the current token, and to repeat the token there. All other weights are
random, no task is encoded, and training may change every weight.
"""

# transformers leaves its models open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from agentcvr_training.demonstrations import Demonstration
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.recipes.tiny.language import train_tokenizer

HEAD = 32
MAX_LENGTH = 4096
ROTATIONS = 1e6
"""Base of the rotary positions: large, so that half of the pairs turn so slowly that words far apart still match."""

BACKWARD, REPEATING = 2, 3
"""Number of heads that attend one token back, and of heads that attend to the same token."""
CONSTANT = 4
"""Number of coordinates that all embeddings share; a head that attends by position alone reads these."""
FAST = 3
"""Number of pairs that turn fast enough to distinguish one position from the next."""
SLOW = 0.01
"""A pair is slow if it turns by fewer radians per token than this."""
SHARPNESS = 2.0
"""Scale of queries and of keys, in the coordinates that the circuit uses."""
NOTE, REPEAT = 0.2, 4.0
"""Scale of the heads' output; embeddings have a length of about 1."""


@dataclass(frozen=True)
class Size:
    """Size of the model; the default has a million weights."""

    width: int = 128
    layers: int = 4


def initialize(demonstrations: Iterable[Demonstration], folder: Path, seed: int, size: Size | None = None) -> Path:
    """Write a tokenizer and an untrained model; return the folder, which appears when it is complete."""
    draft = folder.with_name(f"{folder.name}.part")
    texts = (message.text for one in demonstrations for message in one.conversation()[1:])
    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(draft)
    untrained(tokenizer, seed, size or Size()).save_pretrained(draft)
    return draft.rename(folder)


def untrained(tokenizer: Any, seed: int, size: Size) -> Any:
    """Return an untrained Qwen3."""
    torch.manual_seed(seed)
    heads = size.width // HEAD
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=3 * size.width,
        num_hidden_layers=size.layers,
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
        spaces = _embed(model.model.embed_tokens.weight)
        for layer in model.model.layers[:2]:
            _randomize(layer.self_attn)
        _look_back(model.model.layers[0].self_attn, spaces)
        _look_up(model.model.layers[1].self_attn, spaces)
    return model


@dataclass(frozen=True)
class Spaces:
    """Orthonormal directions of the residual stream. (directions, width)"""

    words: torch.Tensor
    """Directions in which words differ; a note holds the first of them."""
    notes: torch.Tensor
    """Directions to which notes are written."""


def _embed(weight: torch.Tensor) -> Spaces:
    """Set embeddings of length about 1, with a squared length of 0.5 in the shared coordinates; return the spaces."""
    width = weight.shape[1]
    weight.normal_(0, width**-0.5)
    weight[:, :CONSTANT] = (2 * CONSTANT) ** -0.5
    words = torch.zeros(width - CONSTANT, width)
    words[:, CONSTANT:] = torch.linalg.qr(torch.randn(width - CONSTANT, width - CONSTANT))[0]
    carried = BACKWARD * HEAD
    return Spaces(words, words[carried : 2 * carried])


def _randomize(attention: Any) -> None:
    size = attention.q_proj.in_features**-0.5
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight.normal_(0, size)
    attention.o_proj.weight.normal_(0, NOTE * size)


def _look_back(attention: Any, spaces: Spaces) -> None:
    """Make the first heads attend to the previous token, whatever it is, and write a note of it."""
    query, key = torch.zeros(HEAD), torch.zeros(HEAD)
    for pair, angle in enumerate(_angles()[:FAST]):
        # Once rotated to its position, the key is parallel to the query of the next position.
        key[pair] = 1.0
        query[pair], query[pair + HEAD // 2] = math.cos(angle), -math.sin(angle)
    shared = torch.zeros(attention.q_proj.in_features)
    shared[:CONSTANT] = 1.0
    for head in range(BACKWARD):
        rows = slice(head * HEAD, (head + 1) * HEAD)
        attention.q_proj.weight[rows] = torch.outer(query, shared)
        attention.k_proj.weight[rows] = torch.outer(key, shared)
        attention.v_proj.weight[rows] = spaces.words[rows]
    written = len(spaces.notes)
    attention.o_proj.weight[:, : BACKWARD * HEAD] = 0
    attention.o_proj.weight[:, :written] = NOTE * spaces.notes.T
    _sharpen(attention, range(FAST))


def _look_up(attention: Any, spaces: Spaces) -> None:
    """Make the first heads attend to places with a note of the current token, and repeat the token there."""
    slow = [pair for pair, angle in enumerate(_angles()) if angle < SLOW]
    used = [*slow, *(pair + HEAD // 2 for pair in slow)]
    compared = len(spaces.notes)
    for head in range(REPEATING):
        rows = slice(head * HEAD, (head + 1) * HEAD)
        mixed = torch.linalg.qr(torch.randn(compared, compared))[0][: len(used)]
        query, key = torch.zeros(2, HEAD, attention.q_proj.in_features)
        query[used], key[used] = mixed @ spaces.words[:compared], mixed @ spaces.notes
        attention.q_proj.weight[rows], attention.k_proj.weight[rows] = query, key
        repeated = spaces.words[torch.randperm(len(spaces.words))[:HEAD]]
        attention.v_proj.weight[rows] = repeated
        attention.o_proj.weight[:, rows] = REPEAT * repeated.T
    _sharpen(attention, slow)


def _sharpen(attention: Any, pairs: Iterable[int]) -> None:
    """Scale up some of the rotary pairs in queries and keys, so that attention is sharp."""
    for pair in pairs:
        for norm in (attention.q_norm, attention.k_norm):
            norm.weight[[pair, pair + HEAD // 2]] = SHARPNESS


def _angles() -> list[float]:
    """Return the radians by which each rotary pair turns from one token to the next."""
    return [ROTATIONS ** (-2 * pair / HEAD) for pair in range(HEAD // 2)]
