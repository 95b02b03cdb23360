"""What a program loads with the public names: neither media nor model libraries, nor parts it does not use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import agentcvr_graph

assert "agentcvr_graph.types" not in sys.modules, "a name is imported when it is used"
agentcvr_graph.create_cvr_graph
print(*sys.modules)
"""
UNUSED = {
    "PIL",
    "av",
    "cv2",
    "datasets",
    "decord",
    "filelock",
    "langchain",
    "librosa",
    "loky",
    "numpy",
    "onnxruntime",
    "openai",
    "pandas",
    "pebble",
    "pocketsphinx",
    "rapidocr",
    "scipy",
    "torch",
    "transformers",
    "typer",
    "agentcvr_graph.cli",
    "agentcvr_graph.eval",
    "agentcvr_graph.media",
    "agentcvr_graph.perception.live",
    "agentcvr_graph.report",
    "agentcvr_graph.scripts.generators",
}
MOST_OWN = 155
"""Modules of this package; there are 140. LangGraph and what it imports are about 1,200 more."""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Return the modules that a fresh interpreter has after it took `create_cvr_graph`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_graph_imports_no_media_or_model_library(loaded: set[str]):
    assert loaded & UNUSED == set()


def test_the_graph_imports_few_modules_of_this_package(loaded: set[str]):
    assert 0 < sum(name.startswith("agentcvr_graph") for name in loaded) <= MOST_OWN
