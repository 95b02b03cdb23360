"""Training callbacks, progress and curves.

A run that fails stops with a one-line error and keeps its last complete checkpoint.
"""

from __future__ import annotations

import io
import re
import resource
from types import SimpleNamespace

import pytest
import torch
from agentcvr_training.trainer.callbacks import Curves, TrainingProgress
from agentcvr_training.trainer.checkpoints import WHOLE, last_checkpoint
from agentcvr_training.trainer.curves import draw_curves, points, smoothed
from agentcvr_training.trainer.trainers import GraphTrainer, TrainingStopped
from rich.console import Console

from tests.support.tiny_runs import command, weights_of, write_settings


def not_a_number(loss, model, step):
    """Return NaN as the loss; every gradient stays finite."""
    return loss + (float("nan") if step == 3 else 0.0)


def bad_gradient(loss, model, step):
    """Leave the loss as it is, and make the gradient of one weight infinite."""
    if step == 3:
        weight = model.get_input_embeddings().weight
        weight.register_hook(lambda gradient: gradient * float("inf"))
    return loss


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (not_a_number, "Step 4: the loss is nan; no weight was changed. Start again in another folder"),
        (bad_gradient, "Step 4: the gradient of model.embed_tokens.weight ("),
    ],
)
def test_a_non_finite_loss_or_gradient_stops_the_run(spoil, complaint, speaker, tmp_path, monkeypatch, capsys):
    compute = GraphTrainer.compute_loss

    def spoiled(self, model, inputs, *args, **kwargs):
        return spoil(compute(self, model, inputs, *args, **kwargs), model, self.state.global_step)

    monkeypatch.setattr(GraphTrainer, "compute_loss", spoiled)
    output = tmp_path / "run"
    path = write_settings(speaker, output)
    assert command(["grpo", path], monkeypatch) == TrainingStopped.exit_status == 3
    reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(reported) == 1 and complaint in reported[0]
    kept = last_checkpoint(output / "grpo")
    assert kept is not None and kept.name == "checkpoint-2"
    assert all(bool(torch.isfinite(weight).all()) for weight in weights_of(kept).values())
    assert not (output / "policy").exists()

    # The advice works: every change that the message names, in one command.
    monkeypatch.setattr(GraphTrainer, "compute_loss", compute)
    changes = re.findall(r"--set \S+=[^\s,;]+", reported[0].rstrip("."))
    assert [change.partition("=")[0] for change in changes] == [
        "--set grpo.trainer.learning_rate",
        "--set output",
        "--set model.path",
    ]
    changes = [part.rstrip(".") for change in changes for part in change.split(" ")]
    assert command(["grpo", path, *changes], monkeypatch) == 0, capsys.readouterr().err
    assert (tmp_path / "run-restarted" / "policy" / "model.safetensors").exists()


def command_succeeds(path, monkeypatch):
    return command(["grpo", path], monkeypatch) == 0


@pytest.mark.parametrize("room", [60_000, 170_000])
def test_a_full_disk_raises_a_one_line_error_and_keeps_the_last_checkpoint(
    room, speaker, tmp_path, monkeypatch, capsys
):
    """The kernel refuses files over `room` bytes. The first limit stops the weights, the second the optimizer state."""
    output = tmp_path / "run"
    assert command_succeeds(write_settings(speaker, output, grpo__trainer__max_steps=2), monkeypatch)
    good = weights_of(output / "grpo" / "checkpoint-2")
    sizes = {path.name: path.stat().st_size for path in (output / "grpo" / "checkpoint-2").iterdir()}
    assert 60_000 < sizes["model.safetensors"] < 170_000 < sizes["optimizer.pt"]
    capsys.readouterr()

    path = write_settings(speaker, output)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        assert command(["grpo", path], monkeypatch) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(reported) == 1
    assert f"{output / 'grpo'} cannot be written: " in reported[0]
    assert "Give the same command again; it resumes from the last complete checkpoint." in reported[0]
    kept = last_checkpoint(output / "grpo")
    assert kept is not None and kept.name == "checkpoint-2"
    assert all(torch.equal(good[name], weight) for name, weight in weights_of(kept).items())
    assert command_succeeds(path, monkeypatch)
    assert last_checkpoint(output / "grpo").name == "checkpoint-4"


def test_an_output_path_that_is_a_file_is_an_error(speaker, tmp_path, monkeypatch, capsys):
    output = tmp_path / "run"
    output.write_text("")
    assert command(["grpo", write_settings(speaker, output)], monkeypatch) == 2
    assert f"{output} cannot be written: " in capsys.readouterr().err


def test_the_last_checkpoint_is_the_complete_one_with_the_highest_step(tmp_path):
    assert last_checkpoint(tmp_path / "nowhere") is None
    for step in (2, 10, 9, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-of-mine").mkdir()
    assert last_checkpoint(tmp_path) is None
    for step in (2, 10, 9):
        (tmp_path / f"checkpoint-{step}" / WHOLE).touch()
    assert last_checkpoint(tmp_path).name == "checkpoint-10"


def test_the_progress_bar_is_shown_only_on_a_terminal():
    state = SimpleNamespace(is_world_process_zero=True, max_steps=40, global_step=10)
    for terminal in (True, False):
        shown = io.StringIO()
        bar = TrainingProgress(Console(file=shown, force_terminal=terminal, width=80))
        bar.on_train_begin(None, state, None)
        state.global_step = 11
        bar.on_step_end(None, state, None)
        bar.close()
        assert ("11/40" in shown.getvalue()) is terminal
        assert ("left" in shown.getvalue()) is terminal


def test_curves_skip_non_finite_values(tmp_path):
    history = [
        {"step": 1, "reward": 0.5, "loss": float("nan")},
        {"step": 2, "reward": None, "eval_reward": 0.25},
        {"step": 3, "reward": 1.5},
    ]
    assert points(history, "reward") == ([1, 3], [0.5, 1.5])
    assert points(history, "eval_reward") == ([2], [0.25])
    assert points(history, "loss") == ([], [])
    # By hand: 0.2 * 0.5 = 0.1 over 0.2, then 0.8 * 0.1 + 0.2 * 1.5 = 0.38 over 0.36.
    assert smoothed([0.5, 1.5]) == pytest.approx([0.5, 0.38 / 0.36])
    draw_curves([{"step": 1, "loss": float("nan")}], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    draw_curves(history, tmp_path / "new" / "some.png")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["some.png"]


def test_failures_of_the_infrastructure_are_shown_if_there_are_any(tmp_path):
    state = SimpleNamespace(is_world_process_zero=True, global_step=2, max_steps=3, log_history=[])
    console = Console(file=io.StringIO(), width=200)
    for share in (0.0, 0.25):
        logs = {"reward": 0.5, "infrastructure_failures": share}
        Curves(tmp_path / "c.png", console, ["reward"]).on_log(None, state, None, logs=logs)
    assert console.file.getvalue().splitlines() == [
        "step 2/3  reward 0.5",
        "step 2/3  reward 0.5  infrastructure_failures 0.25",
    ]


def test_empty_panels_are_not_drawn(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: (saved.append(self), path.touch()))
    draw_curves([{"step": 1, "reward": 0.5, "loss": 0.1, "turns": 2.0}], tmp_path / "c.png")
    assert [axis.axison for axis in saved[0].axes] == [True, True, True, False]
