"""The commands as a person runs them: what goes where, which status comes back, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agentcvr_graph.demo import CLIPS_DIR

RED, YELLOW = str(CLIPS_DIR / "cook_red.mp4"), str(CLIPS_DIR / "cook_yellow.mp4")


def agentcvr(*arguments, **kwargs):
    command = [sys.executable, "-m", "agentcvr_graph.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **kwargs)


def test_json_is_one_object_and_nothing_else(tmp_path):
    report = tmp_path / "report.html"
    done = agentcvr("ask", YELLOW, "-q", "Who is the dinner for?", "--json", "--report", str(report))
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert set(record["answer"]) == {"kind", "value", "text", "rationale", "citations"}
    assert record["answer"]["value"] == "This dinner is for my mother."
    assert record["answer"]["citations"][0]["modality"] == "audio"
    assert {"frames", "audio_s", "input_tokens", "output_tokens", "wall_s"} <= set(record["usage"])
    assert record["turns"] >= 1
    assert "visual agent looks at video 1" in done.stderr
    assert done.stderr.count("Offline models") == 1
    assert "--vision" in done.stderr
    assert report.read_text().startswith("<!doctype html>")


def test_the_answer_goes_to_stdout_and_progress_to_stderr():
    done = agentcvr("ask", YELLOW, "-q", "Who is the dinner for?", "--max-turns", "3", "--max-frames", "8")
    assert done.returncode == 0
    assert "This dinner is for my mother." in done.stdout
    assert "looks at" not in done.stdout
    assert "looks at" in done.stderr


# Every kind of bad input that a person can give on the command line, with what the one line must say.
BAD = {
    "missing file": (["ask", "nope.mp4", "-q", "Who?"], "nope.mp4: no such file or folder."),
    "bad scheme": (["ask", "ftp://host/a.mp4", "-q", "Who?"], "the scheme 'ftp' is not supported"),
    "clip beyond the end": (["ask", f"{RED}#t=90,95", "-q", "Who?"], "the clip starts at 90 s"),
    "only spaces": (["ask", RED, "-q", "   "], "The question is empty."),
    "no options": (["ask", RED, "-q", "Who?", "--kind", "choice"], "needs at least 2 options"),
    "too many options": (["ask", RED, "-q", "Who?", *[x for n in range(27) for x in ("-o", str(n))]], "27 options"),
    "unknown kind": (["ask", RED, "-q", "Who?", "--kind", "guess"], "Unknown answer kind 'guess'"),
    "unknown dialect": (["ask", RED, "-q", "Who?", "--dialect", "latin"], "auto, tools, json"),
    "unknown model": (["ask", RED, "-q", "Who?", "--master", "gpt"], "'gpt'"),
    "missing key": (["ask", RED, "-q", "Who?", "--master", "openai:gpt-4.1"], "OPENAI_API_KEY"),
    "missing model folder": (["ask", RED, "-q", "Who?", "--vision", "transformers:./none"], "./none"),
    "unknown demo": (["demo", "nothing"], "salt-and-oil"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2(case, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    arguments, says = BAD[case]
    done = agentcvr(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["numpy", "PIL", "av", "filelock"])
def test_a_missing_extra_names_the_command_that_brings_it(package):
    code = f"import sys; sys.modules[{package!r}] = None; from agentcvr_graph.cli import main; main()"
    command = [sys.executable, "-c", code, "ask", RED, "-q", "Who?"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "pip install 'agentcvr-graph[live]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_bad_video_is_named():
    done = agentcvr("ask", "one.mp4", RED, "two.mp4", "-q", "Who?")
    assert done.returncode == 2
    assert done.stderr.count("error:") == 2


def test_a_server_that_is_down_means_could_not_answer():
    done = agentcvr("ask", YELLOW, "-q", "Who?", "--master", "http://127.0.0.1:9/v1#m", "--json")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert record["answer"] is None
    assert record["failure"]["boundary"] == "infrastructure"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["--help"], ["ask", "--help"], ["demo", "--help"], ["doctor", "--help"]])
def test_help(command):
    done = agentcvr(*command)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_the_doctor_names_what_it_looked_at():
    done = agentcvr("doctor", env=None)
    assert "python" in done.stdout.lower()
    assert "decord" in done.stdout
    assert done.returncode in (0, 2)
