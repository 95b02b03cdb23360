"""FSDP2 on CPU: two processes with sharded weights train like two with whole ones, and write whole weights."""

from __future__ import annotations

import asyncio
import json
import math

import pytest
import torch
from agentcvr_training.demonstrations import demonstrate
from agentcvr_training.trainer.checkpoints import WHOLE
from transformers import AutoModelForCausalLM

from agentcvr_graph import CVRContext
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.e2e.sharded_training import run_in_two, spoil_one_part, train_in_two
from tests.support.tiny_models import model
from tests.support.tiny_runs import speaking_tokenizer, weights_of, write_settings
from tests.training.test_grpo_resume import interrupted

PRODUCT = {"sft": "warm", "grpo": "policy"}
SAME = {
    "max_steps": 4,
    "save_steps": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 1e-2,
    # Adam divides by the gradient's magnitude, which would amplify rounding errors of gradients near 0.
    "adam_epsilon": 1e-2,
    "report_to": [],
    "use_cpu": True,
}


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    """Return the folder of a model with random weights and tied embeddings, as Qwen3-4B has them."""
    folder, own = tmp_path_factory.mktemp("tied"), speaking_tokenizer()
    model(vocab_size=len(own), tie_word_embeddings=True).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    scripts = list(make_scripts({"CC": 4, "FSA": 4}))
    perception = ScriptedPerception(ScriptLibrary.of(scripts))
    context = CVRContext(dialect="json", max_turns=3)

    async def shown():
        return [one async for one in demonstrate(resolve_chat_model("offline"), perception, scripts, context)]

    found = asyncio.run(shown())
    path = tmp_path_factory.mktemp("demonstrations") / "demonstrations.jsonl"
    path.write_text("".join(f"{one.model_dump_json()}\n" for one in sorted(found, key=lambda one: one.script_id)))
    return path


@pytest.fixture(scope="module", params=["sft", "grpo"])
def runs(request, tied, demonstrations, tmp_path_factory):
    """Train with DDP, with FSDP2, and once more with FSDP2 from the checkpoint in the middle; return the folders."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    changes = {
        "rollout__max_length": 3000,
        "sft": {"demonstrations": str(demonstrations), "trainer": SAME},
        # A second pass over each batch, so that old log probabilities are computed before learning.
        "grpo__trainer": {**SAME, "num_generations": 4, "num_iterations": 2},
    }
    whole, sharded, again = (folder / name for name in ("whole", "sharded", "again"))
    train_in_two(kind, write_settings(tied, whole, **changes), sharded=False)
    train_in_two(kind, write_settings(tied, sharded, **changes), sharded=True)
    interrupted(sharded, again, 2, kind=kind, product=PRODUCT[kind])
    train_in_two(kind, write_settings(tied, again, **changes), sharded=True)
    return kind, whole, sharded, again


def logged(output, kind):
    history = json.loads((output / kind / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    return [(entry["loss"], entry["grad_norm"]) for entry in history if "loss" in entry]


@pytest.mark.enable_socket
def test_sharded_weights_train_like_whole_ones(runs):
    kind, whole, sharded, _ = runs
    expected, found = logged(whole, kind), logged(sharded, kind)
    assert len(expected) == len(found) == 4
    assert all(norm > 1e-3 and math.isfinite(norm) for _, norm in expected)
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx(one, abs=1e-6, rel=1e-6)


@pytest.mark.enable_socket
def test_a_resumed_run_with_sharded_weights_is_bitwise_equal(runs):
    kind, _, sharded, again = runs
    assert logged(sharded, kind) == logged(again, kind)
    one, other = weights_of(sharded / PRODUCT[kind]), weights_of(again / PRODUCT[kind])
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.enable_socket
def test_checkpoints_and_the_policy_hold_whole_weights(runs, tied):
    kind, whole, sharded, _ = runs
    checkpoints = [sharded / kind / f"checkpoint-{step}" for step in (2, 4)]
    assert all((path / WHOLE).exists() for path in checkpoints)
    shapes = {name: weight.shape for name, weight in weights_of(tied).items()}
    for folder in (*checkpoints, sharded / PRODUCT[kind]):
        found = weights_of(folder)
        # Sharded weights are written one by one, so the head that is tied to the embeddings is written too.
        assert torch.equal(found.pop("lm_head.weight"), found["model.embed_tokens.weight"])
        assert {name: weight.shape for name, weight in found.items()} == shapes
        AutoModelForCausalLM.from_pretrained(folder)
    last, saved = weights_of(checkpoints[-1]), weights_of(sharded / PRODUCT[kind])
    assert all(torch.equal(last[name], saved[name]) for name in shapes)
    for name, weight in weights_of(whole / PRODUCT[kind]).items():
        torch.testing.assert_close(saved[name], weight, atol=1e-6, rtol=1e-5)


@pytest.mark.enable_socket
def test_an_infinite_gradient_in_one_part_stops_both_processes():
    run_in_two(spoil_one_part, sharded=True)
