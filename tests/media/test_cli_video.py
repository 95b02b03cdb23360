"""`agentcvr ask` on a bundled clip, and the error it reports when a video package is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agentcvr_graph.demo import CLIPS_DIR
from tests.support.command_line import TIMEOUT_S, agentcvr, agentcvr_process

RED, YELLOW = str(CLIPS_DIR / "cook_red.mp4"), str(CLIPS_DIR / "cook_yellow.mp4")


def test_json_output_is_exactly_one_object(tmp_path):
    report = tmp_path / "report.html"
    done = agentcvr_process("ask", YELLOW, "-q", "Who is the dinner for?", "--json", "--report", str(report))
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert set(record["answer"]) >= {"kind", "value", "text", "rationale", "citations", "confidence", "looked_for"}
    assert record["answer"]["value"] == "This dinner is for my mother."
    assert record["answer"]["citations"][0]["modality"] == "audio"
    assert {"frames", "audio_s", "input_tokens", "output_tokens", "wall_s"} <= set(record["usage"])
    assert record["turns"] >= 1
    assert "observing video 1" in done.stderr
    assert done.stderr.count("Offline models") == 1
    assert "--vision" in done.stderr
    assert report.read_text().startswith("<!doctype html>")


def test_the_answer_goes_to_stdout_and_progress_to_stderr():
    done = agentcvr("ask", YELLOW, "-q", "Who is the dinner for?", "--max-turns", "3", "--max-frames", "8")
    assert done.returncode == 0
    assert "This dinner is for my mother." in done.stdout
    assert "observing" not in done.stdout
    assert "observing" in done.stderr


@pytest.mark.parametrize("package", ["numpy", "PIL", "av", "filelock"])
def test_a_missing_extra_is_reported_with_its_install_command(package):
    code = f"import sys; sys.modules[{package!r}] = None; from agentcvr_graph.cli import main; main()"
    command = [sys.executable, "-c", code, "ask", RED, "-q", "Who?"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert "pip install 'agentcvr-graph[live]'" in done.stderr
    assert "Traceback" not in done.stderr
