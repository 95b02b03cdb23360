"""Two processes (gloo) train like one on the same batch: same scripts, seeds and tokens, same loss and weights."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from agentcvr_training import grpo
from agentcvr_training.config.settings import load_settings
from agentcvr_training.grpo import train
from agentcvr_training.rollout.episode_log import read_episodes
from agentcvr_training.trainer.checkpoints import WHOLE
from rich.console import Console

from agentcvr_graph.errors import SetupError
from tests.support.tiny_runs import trained_speaker, weights_of, write_settings
from training.recipes.processes import train_in_processes

CHANGES = {
    "held_out": {"tasks": ["BU"], "each": 3, "seed": 900},
    "grpo__trainer__max_steps": 2,
    "grpo__trainer__eval_steps": 2,
    "grpo__steps_between_reports": 1,
    # Adam divides by the gradient's magnitude, which amplifies rounding errors of gradients near 0.
    "grpo__trainer__optim": "sgd",
    "grpo__trainer__learning_rate": 0.1,
}
COMPARED = ("loss", "grad_norm", "reward", "reward_std", "turns", "frames", "entropy", "completions/mean_length")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train with one process and with two that share the batch; return both output folders and the log of the two."""
    folder = tmp_path_factory.mktemp("processes")
    speaker = trained_speaker()
    one, two = folder / "one", folder / "two"
    grpo.train(load_settings(write_settings(speaker, one, **CHANGES)), Console(file=io.StringIO()))
    path = write_settings(speaker, two, grpo__trainer__per_device_train_batch_size=4, **CHANGES)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, "-m", "agentcvr_training", "grpo", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return one, two, done.stderr


def logged(output):
    state = json.loads((output / "grpo" / "checkpoint-2" / "trainer_state.json").read_text())
    return state["log_history"]


def test_two_processes_train_like_one(runs):
    one, two, _ = runs
    rows = [sorted(read_episodes(output / "episodes.jsonl"), key=by_place) for output in (one, two)]
    assert len(rows[0]) == 2 * 8 + 3
    assert rows[0] == rows[1]  # scripts, seeds, rewards, turns and the count of sampled tokens
    for first, second in zip(logged(one), logged(two), strict=True):
        assert first["step"] == second["step"]
        for name in {*COMPARED, "eval_reward", "eval_turns"} & set(first):
            assert second[name] == pytest.approx(first[name], abs=1e-5), name
    assert sum("loss" in entry for entry in logged(two)) == 2
    assert sum("eval_reward" in entry for entry in logged(two)) == 1
    first, second = weights_of(one / "policy"), weights_of(two / "policy")
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, atol=1e-6, rtol=1e-5)


def by_place(row):
    return row["held_out"], row["step"], row["script"], row["seed"]


def test_only_the_main_process_writes_and_prints(runs):
    _, two, output = runs
    assert sum(line.startswith("saved to") for line in output.splitlines()) == 1
    assert sum(line.startswith("step 1/2") for line in output.splitlines()) == 1
    checkpoint = two / "grpo" / "checkpoint-2"
    assert (checkpoint / WHOLE).exists()
    assert sorted(path.name for path in checkpoint.glob("rng_state_*")) == ["rng_state_0.pth", "rng_state_1.pth"]
    # A page for the first trajectory of each script in the main process, which has one of the two groups.
    assert len(list((two / "trajectories" / "step-00000").glob("*.html"))) == 1
    assert (two / "grpo.png").exists()


@pytest.mark.enable_socket
@pytest.mark.parametrize("count", [1, 2])
def test_an_error_in_one_process_is_raised(count, tmp_path):
    """Only the main process writes files, so one of two processes fails while the other waits for it."""
    path = write_settings(
        trained_speaker(),
        tmp_path / "run",
        grpo__trainer__gradient_accumulation_steps=2,
        grpo__trainer__max_steps=2,
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "policy").write_text("in the way")
    with pytest.raises(SetupError, match="run/policy cannot be written"):
        train_in_processes(train, load_settings(path), count)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the end of a parent")
@pytest.mark.parametrize(
    ("number", "status", "printed"), [(signal.SIGTERM, 143, "stopped\n"), (signal.SIGKILL, -signal.SIGKILL, "")]
)
def test_the_processes_end_with_the_one_that_started_them(number, status, printed, tmp_path):
    """As below a shell that runs it in the background, SIGINT is ignored."""
    fifo = tmp_path / "ranks"
    os.mkfifo(fifo)
    started = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.support.endless_training", str(fifo)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with started, fifo.open("rb", buffering=0) as ranks:
        assert sorted(ranks.read(1) + ranks.read(1)) == [ord("0"), ord("1")]
        started.send_signal(number)
        assert ranks.read() == b""  # returns when both have ended
        assert started.communicate()[1] == printed
        assert started.returncode == status
