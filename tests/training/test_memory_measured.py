"""The estimate of `memory.py` against the allocations of both trainers, as torch's profiler counts them.

Models have random weights and one large dimension each, so that a different part of the estimate decides: the
vocabulary, the rows, or the weights. A step learns from two parts, so gradients exist beside the second pass.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from agentcvr_training.config.memory import Load, estimate, sizes_of
from agentcvr_training.trainer.trainers import GraphTrainer, ImitationTrainer
from datasets import Dataset
from torch.profiler import ProfilerActivity, profile
from trl import GRPOConfig, SFTConfig
from trl.kernels import chunked_logprob

from tests.support.tiny_models import model, tokenizer

TOLERANCE = 0.05
VOCABULARY = {"vocab_size": 60_000, "hidden_size": 64, "head_dim": 16}
ROWS = {"vocab_size": 400, "hidden_size": 64, "head_dim": 16, "intermediate_size": 128, "num_hidden_layers": 6}
WEIGHTS = {"vocab_size": 400, "hidden_size": 256, "head_dim": 64, "intermediate_size": 1024, "num_hidden_layers": 6}
SHAPES = {"vocabulary": (VOCABULARY, 40), "rows": (ROWS, 600), "weights": (WEIGHTS, 60)}
"""Shape of the model, and tokens of a row."""


def measured(run: Callable[[], object], folder: Path) -> int:
    """Return the most bytes that are allocated at one time while a function runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        run()
    trace = folder / "trace.json"
    found.export_chrome_trace(str(trace))
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    live: dict[int, int] = {}
    total = most = 0
    for event in sorted(events, key=lambda event: event["ts"]):
        place, size = event["args"]["Addr"], event["args"]["Bytes"]
        if size > 0:
            live[place] = size
            total += size
        else:  # what was allocated before is not counted
            total -= live.pop(place, 0)
        most = max(most, total)
    return most


def trainer_of(kind, folder, net, length, *, half, checkpointing):
    common = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 2,
        "report_to": [],
        "use_cpu": True,
        "bf16": half,
        "gradient_checkpointing": checkpointing,
        "save_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    ids = [5 + place % 50 for place in range(length)]
    if kind == "sft":
        rows = Dataset.from_dict({"input_ids": [ids] * 8, "labels": [ids] * 8})
        return ImitationTrainer(net, SFTConfig(max_length=length, **common), train_dataset=rows, **speaker())
    prompt, completion = ids[: length // 4], ids[length // 4 :]

    def rollout(prompts, trainer):
        row = {"prompt_ids": prompt, "completion_ids": completion, "logprobs": [-1.0] * len(completion)}
        return {name: [value] * len(prompts) for name, value in {**row, "env_mask": [1] * len(completion)}.items()}

    return GraphTrainer(
        model=net,
        args=GRPOConfig(num_generations=2, beta=0.0, **common),
        reward_funcs=lambda prompts, **columns: [float(place) for place in range(len(prompts))],
        rollout_func=rollout,
        train_dataset=Dataset.from_dict({"prompt": ["a"] * 8}),
        **speaker(),
    )


def speaker():
    return {"processing_class": tokenizer()}


def compared(kind, name, folder, *, half=False, checkpointing=False, triton=False):
    """Return the measured and the estimated bytes of a training, without the weights, which are there before it."""
    shape, length = SHAPES[name]
    net = model(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False, **shape).train()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer = trainer_of(kind, folder, net, length, half=half, checkpointing=checkpointing)
    load = Load("float32", "float32", 2, length, 0, False, False, half, checkpointing, triton=triton)
    needed = estimate(net.config, sizes_of(net.config, None), load)
    del needed["weights"]
    return measured(trainer.train, folder), needed


@pytest.mark.parametrize(
    ("kind", "name", "half", "checkpointing"),
    [
        ("grpo", "vocabulary", False, True),
        ("sft", "vocabulary", False, False),
        ("grpo", "rows", True, False),
        ("sft", "rows", False, True),
        ("grpo", "weights", False, False),
        ("sft", "weights", False, True),
    ],
)
def test_the_estimate_is_what_a_training_allocates(kind, name, half, checkpointing, tmp_path):
    found, needed = compared(kind, name, tmp_path, half=half, checkpointing=checkpointing)
    assert found == pytest.approx(sum(needed.values()), rel=TOLERANCE), needed


def test_with_kernels_that_work_in_place_only_one_tile_is_made(tmp_path, monkeypatch):
    """As with Triton: the kernels are replaced by functions that allocate nothing, and give a loss of 0."""

    def fold(tile, stride, targets, highest, total, *others, **options):
        highest.zero_()
        total.fill_(1.0)

    monkeypatch.setattr(chunked_logprob, "_forward_tile", fold)
    monkeypatch.setattr(chunked_logprob, "_backward_tile", lambda tile, *others, **options: tile.zero_())
    found, needed = compared("grpo", "vocabulary", tmp_path, triton=True)
    # One tile of 80 positions; the last states and their gradient; the gradient of 60,000 x 64 weights.
    assert needed["head"] == 80 * 32768 * 4 + 80 * 64 * 8 + 60_000 * 64 * 4
    assert found == pytest.approx(sum(needed.values()), rel=TOLERANCE)
