"""An app that uses every public name passes a strict type checker and runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert typed_use.summary(first) == "red, 4 frames, 0 proofs"
    assert typed_use.summary(other) == "blue, 2 frames, 0 proofs"
    assert typed_use.tool().name == "ask_videos"
    assert typed_use.to_blame(agentcvr_graph.SetupError("No key.")) == "the owner"


def test_the_app_passes_the_type_checker():
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(APP)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    assert found["generalDiagnostics"] == []


MISTAKES = ROOT / "tests" / "support" / "typed_mistakes.py"


def lines_reported_by_pyright() -> set[int]:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(MISTAKES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    return {found["range"]["start"]["line"] + 1 for found in json.loads(done.stdout)["generalDiagnostics"]}


def lines_reported_by_mypy() -> set[int]:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-incremental", str(MISTAKES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    return {int(number) for number in re.findall(r"typed_mistakes\.py:(\d+): error:", done.stdout)}


@pytest.mark.parametrize("reported", [lines_reported_by_pyright, lines_reported_by_mypy])
def test_type_checkers_report_the_mistakes_of_a_user_program(reported):
    lines = MISTAKES.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}
    assert len(wrong) == 4
    assert reported() == wrong
