"""`agentcvr chat` over a pipe and in a terminal, in swap mode."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentcvr_graph import InputError
from agentcvr_graph.cli import app
from agentcvr_graph.cli.chat_run import _lines

VIDEOS = ["script://cc-000002/1", "script://cc-000002/2"]
SAID = "This time I am cooking with white wine."


def chat(lines: list[str], *videos: str):
    return CliRunner().invoke(app, ["chat", "--swap", *videos], input="\n".join([*lines, ""]))


def test_a_piped_conversation_has_replies_cost_and_a_report(tmp_path: Path):
    page = tmp_path / "my page.html"
    lines = [
        "Who cooks with white wine?",
        "",
        "/cost",
        f"/report '{page}'",
        "And in the first one?",
        "/cost",
        "/quit",
        "no",
    ]
    done = chat(lines, *VIDEOS)
    assert done.exit_code == 0
    assert done.stdout.count(f"{SAID}\n\nvideo 1, 6.9-9.3 s:") == 2
    assert "- [video 1, 6.9-9.3 s] video 1, heard" in done.stdout
    assert "1 question: 26 frames, 53.4 s of sound" in done.stdout and "2 questions: 26 frames" in done.stdout
    assert "LANGGRAPH_STRICT" not in done.stderr
    assert SAID in page.read_text() and "answer: This time" in done.stderr


@pytest.mark.parametrize(
    ("lines", "said", "status"),
    [
        (["Who cooks?"], "Which videos should I look at?", 1),
        (["Who cooks with white wine? script://nowhere/1"], "nowhere", 1),
        (["Who cooks?", f"Who cooks with white wine? {' '.join(VIDEOS)}"], SAID, 0),
        ([f"Who cooks with white wine? {' '.join(VIDEOS)}", "Thanks!"], "Happy to help. What do you want to know", 0),
        (["Who cooks? script://nowhere/1", "ok"], "nowhere", 1),
        (["/report", "/what"], "", 0),
        ([], "", 0),
    ],
)
def test_what_is_missing_is_asked_for_and_the_last_question_decides_the_status(lines, said, status):
    done = chat(lines)
    assert said in done.stdout and done.exit_code == status
    assert "Traceback" not in done.stderr
    assert ("error: Unknown command '/what'." in done.stderr) == ("/what" in lines)


def test_a_report_that_cannot_be_written_does_not_end_the_conversation(tmp_path: Path):
    file = tmp_path / "it's.html"
    done = chat(["Who cooks with white wine?", f"/report {file}", f"/report {file}/x.html", "/cost"], *VIDEOS)
    assert (done.exit_code, file.is_file()) == (0, True)
    assert "cannot be written: " in " ".join(done.stderr.split()) and "1 question:" in done.stdout


def test_a_byte_that_is_no_text_does_not_end_the_conversation():
    done = CliRunner().invoke(app, ["chat", "--swap", *VIDEOS], input=b"Who cooks with white wine\xff?\n")
    assert (done.exit_code, done.exception) == (0, None) and SAID in done.stdout


def test_a_terminal_has_a_prompt_and_goes_on_after_a_reply():
    """The other end of a pseudo-terminal is the user."""
    user, terminal = pty.openpty()
    command = [sys.executable, "-m", "agentcvr_graph", "chat", "--swap", *VIDEOS]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True) as child:
        os.close(terminal)
        shown = ""
        for line in ("Who cooks with white wine?", "/cost", "/quit"):
            shown += until(user, "you> ")
            os.write(user, f"{line}\n".encode())
        shown += until(user, "")
        assert child.wait(timeout=60) == 0
    os.close(user)
    assert shown.count(SAID) == 2 and "1 question:" in shown and "Commands: /report" in shown


def test_ctrl_c_at_the_prompt_ends_the_conversation_the_second_time_in_a_row(monkeypatch, capsys):
    typed = iter([KeyboardInterrupt(), " Who? ", KeyboardInterrupt(), KeyboardInterrupt(), "not read"])

    def read(prompt):
        if isinstance(line := next(typed), KeyboardInterrupt):
            raise line
        return line

    monkeypatch.setattr("builtins.input", read)
    assert list(_lines(talks=True)) == ["Who?"] and next(typed) == "not read"
    assert capsys.readouterr().err.count("Press Ctrl-C again to end the conversation.") == 2


def until(user: int, wanted: str) -> str:
    """Return what the terminal shows until a text comes; until its end for an empty one."""
    shown = ""
    while not wanted or wanted not in shown:
        try:
            read = os.read(user, 4096)
        except OSError:  # the child has closed its end
            break
        if not read:
            break
        shown += read.decode(errors="replace")
    return shown


@pytest.mark.parametrize("name", ["nothere.mp4", "script://nowhere/1"])
def test_a_video_that_cannot_be_read_is_an_error_before_the_first_question(name):
    done = CliRunner().invoke(app, ["chat", *(["--swap"] if "script" in name else []), name], input="")
    assert isinstance(done.exception, InputError) and name in str(done.exception)
