"""Files that the user has: a command that writes one refuses to replace it, unless `--force` says so."""

from __future__ import annotations

import pytest

from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.command_line import agentcvr

MAKE = ["scripts", "make", "--each", "1", "-t", "CC", "--out"]


@pytest.fixture
def scripts(tmp_path):
    path = tmp_path / "cooks.jsonl"
    assert agentcvr(*MAKE, path).returncode == 0
    return path


def commands(scripts):
    """Return commands that write a file, each without the file's name."""
    return {
        ".jsonl": MAKE,
        ".json": ["scripts", "export", scripts, "--out"],
        ".html": ["scripts", "show", "cc-000000", "--out"],
        ".rates": ["scripts", "sim-gap", scripts, "--out", scripts.parent / "gap", "--fit"],
    }


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".html", ".rates"])
def test_a_file_that_exists_is_refused_before_any_work(scripts, suffix):
    file = scripts.parent / f"mine{suffix}"
    file.write_text("my notes\n")
    command = commands(scripts)[suffix]
    done = agentcvr(*command, file)
    says = f"error: {file} exists. Name another file with {command[-1]}, or replace this one with --force.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", says)
    assert file.read_text() == "my notes\n" and not (scripts.parent / "gap").exists()


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".html"])
def test_force_replaces_it_and_an_empty_file_is_no_loss(scripts, suffix):
    file = scripts.parent / f"mine{suffix}"
    for text, options in (("my notes\n", ["--force"]), ("", [])):
        file.write_text(text)
        done = agentcvr(*commands(scripts)[suffix], file, *options)
        assert done.returncode == 0, done.stderr
        assert file.stat().st_size and "my notes" not in file.read_text()


def test_a_rendered_set_keeps_the_questions_that_a_folder_holds(tmp_path):
    questions = tmp_path / "QA" / "CC.json"
    questions.parent.mkdir()
    questions.write_text("[]")
    done = agentcvr("scripts", "crossvid", "--out", tmp_path, "--each", 1, "-t", "CC")
    assert done.returncode == 2 and f"{questions} exists." in done.stderr
    assert questions.read_text() == "[]" and [path.name for path in tmp_path.iterdir()] == ["QA"]


def test_a_model_continues_a_file_and_cannot_replace_it(scripts):
    done = agentcvr(*MAKE, scripts, "--model", "offline", "--force")
    assert done.returncode == 2 and "--model continues a file, and --force replaces it." in done.stderr
    assert len(ScriptLibrary(scripts)) == 1


@pytest.mark.parametrize("command", [["ask", "a.mp4", "-q", "Who?"], ["demo", "--swap"]], ids=["ask", "demo"])
def test_a_report_cannot_replace_a_video(tmp_path, command):
    video = tmp_path / "b.mp4"
    video.write_text("a video")
    done = agentcvr(*command, "--report", video)
    says = f"error: {video}: a report is an HTML page. Name it {video.with_suffix('.html')}.\n"
    assert (done.returncode, done.stderr) == (2, says) and video.read_text() == "a video"
