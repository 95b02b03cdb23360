"""The dry run predicts the folder of a run: within 2 % of what a run of the tiny model leaves on disk."""

from __future__ import annotations

import io
import re

import pytest
import torch
from agentcvr_training import grpo
from agentcvr_training.config.checks import check
from agentcvr_training.config.disk import archive_bytes, disk_of, optimizer_state, saved_steps, sft_steps, trained_model
from agentcvr_training.config.dry_run import show_plan
from agentcvr_training.config.settings import load_settings
from agentcvr_training.config.trainer_settings import grpo_config, sft_config
from rich.console import Console

from tests.support.tiny_runs import write_settings

TINY = {
    "all weights": {},
    "an adapter": {"model__lora": {"rank": 2, "alpha": 6}, "model__dtype": "bfloat16"},
}


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", TINY)
def test_the_prediction_is_within_two_percent_of_the_folder_of_a_run(name, speaker, tmp_path):
    output = tmp_path / "run"
    settings = load_settings(write_settings(speaker, output, grpo__trainer__save_total_limit=2, **TINY[name]))
    checked = check(settings)
    predicted = disk_of("grpo", settings, checked.config, checked.form.tokenizer, checked.arguments, steps=4)
    grpo.train(settings, Console(file=io.StringIO()))
    real = [bytes_in(output / "grpo" / f"checkpoint-{step}") for step in (2, 4)]
    assert predicted.checkpoints == pytest.approx(real, rel=0.02)
    assert predicted.policy == pytest.approx(bytes_in(output / "policy"), rel=0.02)
    assert predicted.all == pytest.approx(bytes_in(output), rel=0.02)
    assert predicted.peak == predicted.all  # no checkpoint had to go

    shown = Console(file=io.StringIO(), width=200)
    show_plan(settings, shown)
    (row,) = [line for line in shown.file.getvalue().splitlines() if "on disk" in line]
    found = float(re.search(r"([\d.]+) MiB at the end", row).group(1))
    assert found == pytest.approx(bytes_in(output) / 2**20, rel=0.02)


def test_the_oldest_checkpoint_goes_after_the_newest_is_written(speaker, tmp_path):
    """A limit of 2 over 5 checkpoints: 3 are there while the last one is written."""
    settings = load_settings(
        write_settings(
            speaker, tmp_path / "run", grpo__trainer__save_total_limit=2, grpo__trainer__max_steps=10, scripts__each=10
        )
    )
    checked = check(settings)
    assert saved_steps(checked.arguments, 10) == [2, 4, 6, 8, 10]
    assert saved_steps(checked.arguments, 9) == [2, 4, 6, 8, 9]
    found = disk_of("grpo", settings, checked.config, checked.form.tokenizer, checked.arguments, steps=10)
    assert len(found.checkpoints) == 2
    # Each step adds a line to the log of the trainer.
    assert found.checkpoints[1] - found.checkpoints[0] == found.checkpoints[0] - found.replaced == 2 * 1375
    assert found.peak == found.all - found.policy + found.replaced


def test_the_steps_of_a_warm_start_follow_from_its_demonstrations(speaker, tmp_path):
    rows = tmp_path / "rows.jsonl"
    trainer = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "num_train_epochs": 3}
    path = write_settings(speaker, tmp_path / "run", sft={"demonstrations": str(rows), "trainer": trainer})
    assert sft_steps(load_settings(path)) is None
    rows.write_text("{}\n" * 17)
    assert sft_steps(load_settings(path)) == 9  # 17 rows in batches of 8, three times
    assert sft_steps(load_settings(path, {"sft.trainer.max_steps": 5})) == 5


@pytest.mark.parametrize(
    ("optim", "numbers"),
    [("adamw_torch_fused", 2), ("sgd", 0), ("adamw_bnb_8bit", 2)],  # the last is not installed: as AdamW
)
def test_the_optimizer_is_counted_as_it_is_set(optim, numbers, speaker, tmp_path):
    settings = load_settings(write_settings(speaker, tmp_path / "run", grpo__trainer__optim=optim))
    model = trained_model(check(settings).config, settings.model)
    weights = sum(weight.numel() for weight in model.parameters())
    state = optimizer_state("grpo", settings, model, grpo_config(settings))["state"]
    held = sum(
        part.numel()
        for parts in state.values()
        for part in parts.values()
        if isinstance(part, torch.Tensor) and part.dim()
    )
    assert held == numbers * weights


def test_an_optimizer_that_is_named_by_import_path_is_counted(speaker, tmp_path):
    """Muon keeps one number for each weight of a matrix in the layers, AdamW two for the rest."""
    named = {"demonstrations": "rows.jsonl", "optimizer": "training.recipes.tiny.muon:muon_and_adamw"}
    settings = load_settings(write_settings(speaker, tmp_path / "run", sft=named))
    model = trained_model(check(settings).config, settings.model)
    matrices = [w for n, w in model.named_parameters() if w.dim() == 2 and "layers" in n]
    state = optimizer_state("sft", settings, model, sft_config(settings))
    held = sum(
        part.numel()
        for one in state["parts"]
        for parts in one["state"].values()
        for part in parts.values()
        if part.dim()
    )
    everything = sum(weight.numel() for weight in model.parameters())
    assert held == 2 * everything - sum(weight.numel() for weight in matrices)


def test_meta_tensors_count_in_full():
    small = {"state": {0: torch.zeros(1000)}}
    hollow = {"state": {0: torch.zeros(1000, device="meta")}}
    assert archive_bytes(hollow) == pytest.approx(archive_bytes(small), abs=64)
    assert 4000 < archive_bytes(hollow) < 6000
