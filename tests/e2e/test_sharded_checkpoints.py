"""A checkpoint of sharded weights (FSDP 2, two processes) holds them once, and a run resumes from it exactly."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys

import pytest
import torch
from agentcvr_training.demonstrations import demonstrate
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from agentcvr_graph import CVRContext
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.sharded_training import ENVIRONMENT
from tests.support.tiny_runs import trained_speaker, weights_of, write_settings

WEIGHTS = {"all weights": "model.safetensors", "an adapter": "adapter_model.safetensors"}


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    scripts = list(make_scripts({"CC": 4}))
    perception, context = ScriptedPerception(ScriptLibrary.of(scripts)), CVRContext(dialect="json", max_turns=3)
    path = tmp_path_factory.mktemp("demonstrations") / "rows.jsonl"

    async def shown():
        return [one async for one in demonstrate(resolve_chat_model("offline"), perception, scripts, context)]

    found = asyncio.run(shown())
    path.write_text("".join(f"{one.model_dump_json()}\n" for one in found))
    return path


def train(path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    here = {"CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, "-m", "tests.support.sharded_training", "sft", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, **here, **ENVIRONMENT},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_sharded_checkpoint_holds_its_weights_once_and_resumes_exactly(name, demonstrations, tmp_path):
    trainer = {"max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 1, "learning_rate": 1e-3}
    changes = {
        "sft": {"demonstrations": str(demonstrations), "trainer": {**trainer, "report_to": []}},
        "rollout__max_length": 3000,
        **({"model__lora": {"rank": 2, "alpha": 6}} if name == "an adapter" else {}),
    }
    whole, again = tmp_path / "whole", tmp_path / "again"
    train(write_settings(trained_speaker(), whole, **changes))
    checkpoint = whole / "sft" / "checkpoint-2"
    names = {path.name for path in checkpoint.iterdir()}
    assert WEIGHTS[name] in names and "pytorch_model_fsdp.bin" not in names
    if name == "all weights":
        AutoModelForCausalLM.from_pretrained(checkpoint)

    shutil.copytree(whole, again)
    shutil.rmtree(again / "warm")
    shutil.rmtree(again / "sft" / "checkpoint-4")
    assert "resuming from" in train(write_settings(trained_speaker(), again, **changes))
    assert_equal(weights_of(whole / "warm"), weights_of(again / "warm"))
    last = f"sft/checkpoint-4/{WEIGHTS[name]}"
    assert_equal(load_file(whole / last), load_file(again / last))
    assert not equal(load_file(checkpoint / WEIGHTS[name]), load_file(whole / last))


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def assert_equal(one, other):
    assert equal(one, other)
