"""An app that uses every public name is in order for a strict type checker, and runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import agentcvr_graph
from tests.support import typed_use

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "support" / "typed_use.py"


def test_the_app_uses_every_public_name():
    source = APP.read_text()
    unused = [name for name in agentcvr_graph.__all__ if len(re.findall(rf"\b{name}\b", source)) < 2]
    assert not unused


async def test_the_app_runs():
    first, other = await typed_use.ask()
    assert typed_use.told(first) == "red, 4 frames, 0 proofs"
    assert typed_use.told(other) == "blue, 2 frames, 0 proofs"
    assert typed_use.tool().name == "ask_videos"
    assert typed_use.to_blame(agentcvr_graph.SetupError("No key.")) == "the owner"


def test_its_types_are_in_order():
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(APP)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    assert found["generalDiagnostics"] == []
