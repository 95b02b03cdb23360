"""The commands write to the right stream, exit with the right status, and print a traceback for bugs only."""

from __future__ import annotations

import io
import json
import sys

import pytest
import typer

from agentcvr_graph import BugError, CVRError, InfrastructureError, InputError, SetupError, create_cvr_graph
from agentcvr_graph.cli.console import out, run_app
from agentcvr_graph.cli.options import context_of
from agentcvr_graph.demo import CLIPS_DIR
from agentcvr_graph.testing import FakeMaster, FakePerception, observe, turn
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
    "unknown dialect": (["ask", RED, "-q", "Who?", "--dialect", "latin"], "auto, tools, schema, json"),
    "unknown model": (["ask", RED, "-q", "Who?", "--master", "gpt"], "'gpt'"),
    "missing key": (["ask", RED, "-q", "Who?", "--master", "openai:gpt-4.1"], "OPENAI_API_KEY"),
    "unknown judge": (["ask", RED, "-q", "Who?", "--verify", "gpt"], "'gpt'"),
    "unknown feature": (["ask", RED, "-q", "Who?", "--features", "sure"], "there is no feature 'sure'"),
    "missing model folder": (["ask", RED, "-q", "Who?", "--vision", "transformers:./none"], "./none"),
    "share of a video": (["ask", RED, "-q", "Who?", "--budget", "0.5"], "--budget needs --swap"),
    "unknown demo": (["demo", "nothing"], "salt-and-oil"),
    "demo of a script": (["demo", "lib-000006"], "agentcvr demo lib-000006 --swap"),
    "unknown demo of a script": (["demo", "nothing", "--swap"], "agentcvr demo list --swap"),
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


def test_a_script_can_be_asked_with_a_share_of_its_full_cost():
    """Half of 21 frames and of 74.1 s of sound."""
    done = agentcvr("ask", "--swap", "cc-000000", "--json", "--budget", "0.5")
    usage = json.loads(done.stdout)["usage"]
    assert 0 < usage["frames"] <= 10 and 0 < usage["audio_s"] <= 37.1


@pytest.mark.parametrize("share", ["30", "50%", "nan", "0"])
def test_a_budget_that_is_no_share_is_named_with_the_range_and_an_example(share):
    done = agentcvr("ask", "--swap", "cc-000000", "--budget", share)
    assert done.returncode == 2
    complaint = " ".join(done.stderr.replace("│", "").split())
    assert f"'--budget': {share} is no share of the full cost from 0.01 to 1; write 0.3 for 30 %" in complaint


def test_a_run_has_as_many_turns_as_its_master_was_trained_with(tmp_path):
    (tmp_path / "config.json").write_text('{"agentcvr": {"max_turns": 6}}')
    trained = f"transformers:{tmp_path}"
    assert [context_of(trained).max_turns, context_of(trained, 4).max_turns, context_of("offline").max_turns] == [
        6,
        4,
        12,
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "--swap", "cc-000000"],
        ["chat", "--swap"],
        ["demo", "--swap"],
        ["eval", "--data", "questions.csv", "--out", "run"],
        ["mcp", "--swap"],
        ["scripts", "sim-gap"],
        ["train", "demonstrate", "--task", "CC", "--each", "1", "--out", "demonstrations.jsonl"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_reads_the_turns_of_the_masters_training(command, tmp_path):
    (tmp_path / "config.json").write_text('{"agentcvr": {"max_turns": 0}}')
    done = agentcvr(*command, "--master", f"transformers:{tmp_path}", cwd=tmp_path)
    assert (done.returncode, "config.json has a key 'agentcvr'" in done.stderr) == (2, True)


@pytest.mark.enable_socket
def test_a_run_that_failed_says_so_once_and_how_to_check_the_models():
    done = agentcvr("ask", YELLOW, "-q", "Who?", "--master", "http://127.0.0.1:9/v1#m", "--audio", "offline")
    assert done.returncode == 1 and done.stderr.count("The master's model failed") == 1
    assert "\nturn 1 of the master: attempt 1 of 3 failed" in done.stderr
    assert done.stderr.endswith("Check the models: agentcvr doctor --master 'http://127.0.0.1:9/v1#m'\n")


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


@pytest.mark.enable_socket  # so that the connection is really refused
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


def ending_in(error: Exception):
    def app() -> None:
        raise error

    return run_in_process(app)


@pytest.mark.parametrize(
    ("error", "status", "label"),
    [
        (InputError("Wrong."), 2, "error:"),
        (SetupError("Wrong."), 2, "error:"),
        (InfrastructureError("Wrong."), 1, "could not answer:"),
        (CVRError("Wrong."), 1, "could not answer:"),
        (ImportError("Wrong.", name="torch"), 2, "error:"),
        (PermissionError(13, "Permission denied", "/out"), 2, "error:"),
        (OSError(28, "No space left on device"), 2, "error:"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line(error, status, label):
    ended = ending_in(error)
    assert ended.returncode == status and ended.stderr.startswith(label) and "Traceback" not in ended.stderr


class OwnBug(BugError):
    """A subclass, as training has."""


@pytest.mark.parametrize(
    "error",
    [
        BugError("Tokens are missing."),
        OwnBug("Tokens are missing."),
        KeyError("tokens"),
        RecursionError("maximum recursion depth exceeded"),
        ImportError("cannot import name 'x'", name="agentcvr_graph.types"),
        OSError("no file is named"),
        ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    ],
)
def test_a_bug_is_shown_with_its_traceback_and_ends_in_70(error):
    ended = ending_in(error)
    assert ended.returncode == 70 and ended.stdout == ""
    assert "Traceback (most recent call last)" in ended.stderr and type(error).__name__ in ended.stderr
    assert "could not answer" not in ended.stderr


def test_the_traceback_of_a_bug_holds_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef0123456789")
    ended = ending_in(RuntimeError("sent sk-0123456789abcdef0123456789"))
    assert ended.returncode == 70 and "0123456789abcdef" not in ended.stderr


def test_a_character_that_the_output_has_no_code_for_is_replaced(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1", errors="strict"))
    run_app(lambda: out.print("Goddard\u2019s centre: caf\u00e9"))
    sys.stdout.flush()
    assert written.getvalue().decode("latin-1").strip() == "Goddard?s centre: caf\u00e9"


async def test_a_bug_in_a_node_is_raised_to_the_caller_and_not_reported_to_the_master():
    class Broken(FakePerception):
        async def observe(self, request, videos):
            raise BugError("An invariant does not hold.")

    graph = create_cvr_graph(FakeMaster(turns=[turn("", observe((1, 0, 5, 1)))]), Broken()).compile()
    with pytest.raises(BugError, match="An invariant does not hold"):
        await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"]})
