"""The offline models report nothing to anyone: ONNX Runtime would keep an identifier in the home folder to do so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
from agentcvr_graph.models.offline.voices import voiced_parts
print(voiced_parts(np.zeros(16_000, dtype=np.float32)))
"""


def test_voice_detection_leaves_nothing_in_the_home_folder(tmp_path: Path):
    unset = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = {**unset, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
