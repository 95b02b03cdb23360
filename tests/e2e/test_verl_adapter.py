"""The agent loop for verl, in the real package and its own environment, against the library's own rollout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("AGENTCVR_VERL_PYTHON", ROOT / ".venv-verl" / "bin" / "python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason=f"verl has an environment of its own: tests/e2e/install_verl.sh {PYTHON.parents[1]}"
)


@pytest.mark.timeout(900)
def test_episodes_are_the_same_through_verl_and_through_the_own_rollout(tmp_path):
    done = subprocess.run(
        [str(PYTHON), "-m", "tests.e2e.verl_episodes", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for name, count in (("graph", 256), ("subgraph", 64)):
        one = found[name]
        assert (one["episodes"], one["different"]) == (count, {}), name
        assert one["sampled"] > 100 * count
        assert len(one["turns"]) > 2
        assert one["answered"] > count / 5
