"""The commands write to the right stream, exit with the right status, and never print a traceback."""

from __future__ import annotations

import json

import pytest
import typer

from agentcvr_graph.demo import CLIPS_DIR
from tests.support.command_line import agentcvr, run_in_process

RED, YELLOW = str(CLIPS_DIR / "cook_red.mp4"), str(CLIPS_DIR / "cook_yellow.mp4")


# Every kind of bad input on the command line, with a part of the one-line error.
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
def test_bad_input_exits_with_a_one_line_error_and_status_2(case, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    arguments, says = BAD[case]
    done = agentcvr(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [["scripts", "make", "--each", "1", "--out"], ["scripts", "show", "cc-000000", "--out"]]
)
def test_a_place_that_cannot_be_written_is_one_line_that_names_it(command, tmp_path):
    (tmp_path / "file").touch()
    suffix = ".jsonl" if "make" in command else ".html"
    done = agentcvr(*command, str(tmp_path / "file" / f"a{suffix}"))
    assert done.returncode == 2
    assert f"{tmp_path / 'file'} cannot be read or written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_that_is_a_folder_is_refused_before_the_run(tmp_path):
    done = agentcvr("ask", "nope.mp4", "-q", "Who?", "--report", str(tmp_path))
    assert done.returncode == 2
    assert "--report" in done.stderr
    assert "nope.mp4" not in done.stderr


def test_ctrl_c_prints_one_word_and_exits_with_status_130():
    app = typer.Typer()

    @app.command()
    def stop() -> None:
        raise KeyboardInterrupt

    done = run_in_process(app)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def test_each_unusable_video_gets_its_own_error():
    done = agentcvr("ask", "one.mp4", RED, "two.mp4", "-q", "Who?")
    assert done.returncode == 2
    assert done.stderr.count("error:") == 2


def test_an_unreachable_server_is_an_infrastructure_error_with_status_1():
    done = agentcvr("ask", YELLOW, "-q", "Who?", "--master", "http://127.0.0.1:9/v1#m", "--json")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert record["answer"] is None
    assert record["failure"]["boundary"] == "infrastructure"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["--help"], ["ask", "--help"], ["demo", "--help"], ["doctor", "--help"]])
def test_help_exits_with_status_0(command):
    done = agentcvr(*command)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_the_doctor_names_its_checks():
    done = agentcvr("doctor")
    assert "python" in done.stdout.lower()
    assert "decord" in done.stdout
    assert done.returncode in (0, 2)
