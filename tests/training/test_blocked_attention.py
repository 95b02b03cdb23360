"""Blocked attention equals torch's causal attention, forward and backward, for any length and head grouping."""

from __future__ import annotations

import pytest
import torch
from agentcvr_training.inference.attention import use_attention
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.support.examples import examples
from training.recipes.tiny.blocked_attention import BLOCK, BLOCKS, attend_in_blocks, attention_for_training

HEADS, SIZE = 4, 8


def states(rows, tokens, groups=HEADS, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(rows, heads, tokens, SIZE).requires_grad_() for heads in (HEADS, groups, groups)]


def both_ways(attend, inputs):
    """Return the output and the gradients of queries, keys and values."""
    out = attend(*inputs)
    torch.manual_seed(1)
    return [out, *torch.autograd.grad(out, inputs, torch.randn_like(out))]


def in_blocks(query, key, value):
    return attend_in_blocks(torch.nn.Identity(), query, key, value, None)[0].transpose(1, 2)


def by_torch(query, key, value):
    return scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)


@settings(max_examples=examples(30))
@given(st.integers(1, 3), st.integers(1, 3 * BLOCK), st.sampled_from([1, 2, 4]), st.integers(0, 99))
def test_blocked_attention_equals_torchs_attention(rows, tokens, groups, seed):
    inputs = states(rows, tokens, groups, seed=seed)
    for ours, theirs in zip(both_ways(in_blocks, inputs), both_ways(by_torch, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-4)


def test_a_custom_scale_is_applied():
    query, key, value = states(1, 5)
    found = attend_in_blocks(torch.nn.Identity(), query, key, value, None, scaling=0.5)[0].transpose(1, 2)
    torch.testing.assert_close(found, scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.5))


def test_mixed_precision_returns_the_dtype_of_the_values():
    """Under mixed precision, normalization and rotary embedding leave queries and keys in float32."""
    query, key, value = states(2, 70)
    found = in_blocks(query, key, value.bfloat16())
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.float(), by_torch(query, key, value), atol=0.03, rtol=0.03)


def model(**changed):
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        **changed,
    )
    return Qwen3ForCausalLM(config)


@pytest.mark.parametrize("hidden", [slice(40, None), slice(0, 3), slice(0, 70), slice(0, 0)])
def test_left_and_right_padding_are_not_attended_to(hidden):
    net = model()
    ids, mask = torch.randint(0, 50, (2, 90)), torch.ones(2, 90, dtype=torch.long)
    mask[1, hidden] = 0
    own = net(ids, attention_mask=mask).logits
    with use_attention(net, attention_for_training(net)):
        assert net.config._attn_implementation == BLOCKS
        found = net(ids, attention_mask=mask).logits
    assert net.config._attn_implementation == "sdpa", "the model is left as it was"
    torch.testing.assert_close(found[mask.bool()], own[mask.bool()], atol=1e-5, rtol=1e-4)
    assert found.isfinite().all()


def test_padding_does_not_affect_gradients():
    net = model()
    ids, mask = torch.randint(0, 50, (2, 90)), torch.ones(2, 90, dtype=torch.long)
    mask[1, :70] = 0
    with use_attention(net, BLOCKS):
        net(ids, attention_mask=mask).logits[mask.bool()].square().mean().backward()
    found = [weight.grad.clone() for weight in net.parameters()]
    net.zero_grad()
    net(ids, attention_mask=mask).logits[mask.bool()].square().mean().backward()
    for ours, weight in zip(found, net.parameters(), strict=True):
        torch.testing.assert_close(ours, weight.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "changed",
    [
        {"layer_types": ["full_attention", "sliding_attention"], "use_sliding_window": True, "sliding_window": 8},
        {"attention_dropout": 0.1},
        {"attn_implementation": "eager"},
    ],
)
def test_unsupported_models_keep_their_attention(changed):
    assert attention_for_training(model(**changed)) is None


def test_gradient_checkpointing_keeps_the_models_attention():
    net = model()
    net.gradient_checkpointing_enable()
    assert attention_for_training(net) is None


def test_an_error_restores_the_models_attention():
    net = model()
    with pytest.raises(RuntimeError, match="no"), use_attention(net, BLOCKS):
        raise RuntimeError("no")
    assert net.config._attn_implementation == "sdpa"
