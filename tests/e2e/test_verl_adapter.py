"""The agent loop for verl, in the real package and its own environment, against the library's own rollout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("AGENTCVR_VERL_PYTHON", ROOT / ".venv-verl" / "bin" / "python"))

LIMIT_S = 900
"""A minute on an idle machine; it starts verl once for all tests."""
pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason=f"verl has an environment of its own: tests/e2e/install_verl.sh {PYTHON.parents[1]}"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return what the program in verl's environment found."""
    folder = tmp_path_factory.mktemp("verl")
    done = subprocess.run(
        [str(PYTHON), "-m", "tests.e2e.verl_episodes", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(LIMIT_S)
def test_episodes_are_the_same_through_verl_and_through_the_own_rollout(found):
    """Those that fork have three rows: the policy is asked in two more conversations."""
    for name, count, rows in (("graph", 256, 1), ("subgraph", 256, 1), ("fork", 64, 3)):
        one = found[name]
        assert (one["episodes"], one["different"], one["rows"]) == (count, {}, [rows]), name
        assert one["sampled"] > 100 * count
        assert len(one["turns"]) > 2
        assert one["answered"] > count / 5


@pytest.mark.timeout(LIMIT_S)
def test_a_row_holds_all_that_was_sampled_however_long_its_prompt(found):
    """A response of 70 tokens: the end of a long prompt takes 10 of them, and a short prompt leaves none to it."""
    assert found["lengths"] == {
        "prompt too long by 10": {
            "prompt": True,
            "moved": [10, True],
            "sampled": 60,
            "response": 70,
            "mask": [10, 60],
            "logprobs": -30.0,
            "longest turn": 60,
        },
        "prompt shorter by 100": {
            "prompt": True,
            "moved": [0, True],
            "sampled": 70,
            "response": 70,
            "mask": [0, 70],
            "logprobs": -35.0,
            "longest turn": 70,
        },
    }


@pytest.mark.timeout(LIMIT_S)
def test_the_chat_template_of_the_configuration_is_used(found):
    """Qwen3's own template drops thoughts of earlier turns, and would be refused."""
    assert found["templates"] == {"loop": True, "engine": True}


@pytest.mark.timeout(LIMIT_S)
def test_faults_that_verl_would_pass_over_are_errors(found):
    """verl drops unknown settings of an agent loop, and trains on log probabilities of 0 where there are none."""
    assert found["errors"] == {
        "setting": "Unknown setting 'run_cfg'. Choose from run_config, one_row and make_graph.",
        "logprobs": "The master's model failed: The server returned no log probabilities, though they were asked for.",
    }
