"""A killed run resumes exactly, with the same questions, seeds and weights."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from agentcvr_training import grpo
from agentcvr_training.config.settings import load_settings
from agentcvr_training.rollout.episode_log import read_episodes
from agentcvr_training.trainer.checkpoints import WHOLE
from agentcvr_training.trainer.resume_check import check_resume
from rich.console import Console

from agentcvr_graph.errors import InputError
from tests.support.tiny_runs import weights_of, write_settings

# Five scripts, two per batch: the run crosses the end of three passes, twice in the middle of a batch.
CHANGES = {
    "scripts": {"tasks": ["CC"], "each": 5},
    "held_out": {"tasks": ["NC"], "each": 2, "seed": 900},
    "grpo__trainer__eval_steps": 3,
    "grpo__trainer__max_steps": 8,
    "grpo__trainer__save_total_limit": None,
}


def trained(speaker, output, **changes):
    grpo.train(load_settings(write_settings(speaker, output, **{**CHANGES, **changes})), Console(file=io.StringIO()))
    return output


@pytest.fixture(scope="module")
def undisturbed(speaker, tmp_path_factory):
    return trained(speaker, tmp_path_factory.mktemp("undisturbed") / "run")


def logged(output):
    """Return the metrics of a run by step, without timings."""
    state = json.loads((output / "grpo" / "checkpoint-8" / "trainer_state.json").read_text())
    times = ("step_time", "runtime", "per_second")
    return [{k: v for k, v in entry.items() if not any(t in k for t in times)} for entry in state["log_history"]]


def assert_same(one, other):
    first, second = weights_of(one / "policy"), weights_of(other / "policy")
    assert all(torch.equal(first[name], second[name]) for name in first)
    rows = list(read_episodes(one / "episodes.jsonl"))
    assert rows == list(read_episodes(other / "episodes.jsonl"))
    assert sum(not row["held_out"] for row in rows) == 8 * 8
    assert logged(one) == logged(other)


def test_a_killed_run_resumes_exactly_with_the_same_command(speaker, undisturbed, tmp_path):
    output = tmp_path / "run"
    path = write_settings(speaker, output, **CHANGES)
    child = subprocess.Popen(
        [sys.executable, "-m", "agentcvr_training", "grpo", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    wait_for(output, step=4, child=child)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stderr.close()
    before = list(read_episodes(output / "episodes.jsonl"))
    assert 4 <= before[-1]["step"] < 8
    assert not (output / "policy").exists()
    trained(speaker, output)
    assert_same(undisturbed, output)


def wait_for(output, step, child):
    """Wait until the episodes of a step are written."""
    for _ in range(60_000):
        assert child.poll() is None, child.stderr.read().decode()
        if any(row["step"] >= step for row in read_episodes(output / "episodes.jsonl")):
            return
        time.sleep(0.005)
    raise AssertionError("the run did not get that far")


def interrupted(undisturbed, output, step, kind="grpo", product="policy"):
    """Copy a run to `output` in the state that it had after a step."""
    shutil.copytree(undisturbed, output)
    shutil.rmtree(output / product)
    for path in (output / kind).glob("checkpoint-*"):
        if int(path.name.rpartition("-")[2]) > step:
            shutil.rmtree(path)
    return output


def test_an_incomplete_checkpoint_is_ignored(speaker, undisturbed, tmp_path):
    output = interrupted(undisturbed, tmp_path / "run", 6)
    cut = output / "grpo" / "checkpoint-6"
    (cut / WHOLE).unlink()
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with (output / "episodes.jsonl").open("a") as file:
        file.write('{"step": 7, "held_o')  # an incomplete line
    trained(speaker, output)
    assert (cut / WHOLE).exists()  # written again
    assert_same(undisturbed, output)


def test_a_run_without_a_complete_checkpoint_starts_over(speaker, undisturbed, tmp_path):
    output = interrupted(undisturbed, tmp_path / "run", 2)
    (output / "grpo" / "checkpoint-2" / WHOLE).unlink()
    trained(speaker, output)
    assert_same(undisturbed, output)


def test_running_a_finished_run_again_changes_nothing(speaker, undisturbed, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(undisturbed, output)
    trained(speaker, output)
    assert_same(undisturbed, output)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_iterations": 2, "save_steps": 2},  # two steps per batch
        {"steps_per_generation": 4, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
        {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
    ],
)
def test_batches_used_for_several_steps_resume_exactly(changes, speaker, tmp_path):
    named = {f"grpo__trainer__{name}": value for name, value in {"max_steps": 4, **changes}.items()}
    whole = trained(speaker, tmp_path / "whole", **named)
    again = trained(speaker, interrupted(whole, tmp_path / "again", 2), **named)
    first, second = weights_of(whole / "policy"), weights_of(again / "policy")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert list(read_episodes(whole / "episodes.jsonl")) == list(read_episodes(again / "episodes.jsonl"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_iterations": 2, "save_steps": 3}, "save_steps=3 falls between 2 steps that learn from one batch"),
        ({"num_iterations": 2, "max_steps": 5}, "max_steps=5 falls between 2 steps"),
        ({"gradient_accumulation_steps": 2, "steps_per_generation": 1}, "does not hold whole steps of 2 parts"),
        ({"save_total_limit": 1}, "would remove the last checkpoint before the next one is known to be whole"),
        ({"save_strategy": "epoch"}, "save_strategy=epoch is not supported"),
        ({"ignore_data_skip": True}, "the trainer sets it. Leave it out."),
    ],
)
def test_settings_that_prevent_an_exact_resume_are_refused(changes, complaint, speaker, tmp_path):
    named = {f"grpo__trainer__{name}": value for name, value in changes.items()}
    with pytest.raises(InputError, match=complaint):
        trained(speaker, tmp_path / "run", **named)


def test_a_run_with_changed_settings_is_not_resumed(speaker, undisturbed, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(undisturbed, output)
    with pytest.raises(InputError, match=r"another configuration: seed was 0, now it is 1\. Give another `output`"):
        trained(speaker, output, seed=1)
    with pytest.raises(InputError, match=r"grpo\.trainer\.num_generations was 4, now it is 2"):
        trained(speaker, output, grpo__trainer__num_generations=2)
    assert list(read_episodes(output / "episodes.jsonl")) == list(read_episodes(undisturbed / "episodes.jsonl"))


def test_settings_of_the_evaluation_may_change(tmp_path):
    check_resume(tmp_path, {"rollout": {"top_p": 1.0, "held_out_temperature": 0.0}})
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / WHOLE).touch()
    evaluation = {"held_out_temperature": 0.7, "held_out_repetition_penalty": 1.1}
    check_resume(tmp_path, {"rollout": {"top_p": 1.0, **evaluation}})
    with pytest.raises(InputError, match=r"rollout\.top_p was 1\.0, now it is 0\.9"):
        check_resume(tmp_path, {"rollout": {"top_p": 0.9, **evaluation}})


def test_a_finished_run_can_be_extended(speaker, undisturbed, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(undisturbed, output)
    trained(speaker, output, grpo__trainer__max_steps=10)
    steps = [row["step"] for row in read_episodes(output / "episodes.jsonl") if not row["held_out"]]
    assert steps == [n for n in range(1, 11) for _ in range(8)]
