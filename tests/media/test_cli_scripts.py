"""`agentcvr scripts` and the swap mode options, run as a user runs them."""

from __future__ import annotations

import json

import pytest

from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import ScriptLibrary, script_json
from tests.support.command_line import agentcvr


def test_ask_in_swap_mode_needs_no_video_key_or_gpu(tmp_path):
    report = tmp_path / "r.html"
    done = agentcvr("ask", "--swap", "cc-000000", "--json", "--report", str(report))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["answer"]["kind"] == "choice"
    assert {citation["modality"] for citation in record["answer"]["citations"]} == {"visual", "audio"}
    assert "Offline models" not in done.stderr  # swap mode runs no vision or audio model
    assert "script" in report.read_text()


def test_ask_in_swap_mode_prints_the_key_and_the_score(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(script_json(make_script("NC", 4)))
    done = agentcvr("ask", "--swap", str(path), "--noise", "mild")
    assert done.returncode == 0, done.stderr
    assert f"the key of the script: {make_script('NC', 4).key}; score" in done.stdout


def test_demo_in_swap_mode_lists_and_answers_bundled_scripts(tmp_path):
    listed = agentcvr("demo", "list", "--swap")
    assert len(listed.stdout.splitlines()) == 51
    done = agentcvr("demo", "pss-000002", "--swap", "--report", str(tmp_path / "r.html"))
    assert done.returncode == 0, done.stderr
    assert "the key of the script:" in done.stdout


def test_the_demo_searches_the_bundled_library(tmp_path):
    """The decisive video is the 26th of 30, which the brief does not list."""
    report = tmp_path / "r.html"
    done = agentcvr("demo", "lib-000006", "--swap", "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert "the key of the script: B; score 1.00" in done.stdout
    assert 'searching all videos for "' in done.stderr
    assert "video 26" in report.read_text()


def test_scripts_can_be_made_checked_counted_shown_exported_and_imported(tmp_path):
    made = tmp_path / "some.jsonl"
    done = agentcvr("scripts", "make", "--out", str(made), "--each", "2", "-t", "FSA", "-t", "cc", "--set", "scenes=5")
    assert done.returncode == 0, done.stderr
    assert f"4 scripts: {made}" in done.stdout
    assert sorted(script.task for script in ScriptLibrary(made)) == ["CC", "CC", "FSA", "FSA"]
    assert "4 scripts, 0 errors, 0 warnings" in agentcvr("scripts", "check", str(made)).stdout
    rows = agentcvr("scripts", "stats", str(made)).stdout.splitlines()
    assert [row.split()[:2] for row in rows if row.startswith(("CC ", "FSA "))] == [["CC", "2"], ["FSA", "2"]]
    shown = agentcvr("scripts", "show", f"{made}#cc-000001").stdout
    assert "key:" in shown
    cooks = tmp_path / "cooks.jsonl"
    assert agentcvr("scripts", "make", "--out", str(cooks), "--each", "3", "-t", "CC").returncode == 0
    exported, back = tmp_path / "cooking.json", tmp_path / "back.jsonl"
    assert "3 scripts" in agentcvr("scripts", "export", str(cooks), "--out", str(exported)).stdout
    assert "correct_answer" in json.loads(exported.read_text())[0]
    assert "3 scripts" in agentcvr("scripts", "import", str(exported), "--out", str(back)).stdout
    assert list(ScriptLibrary(back)) == list(ScriptLibrary(cooks))


def test_check_reports_file_and_line_and_continues(tmp_path):
    path = tmp_path / "many.jsonl"
    good = [script_json(make_script("PI", n)) for n in range(2)]
    path.write_text(f"{good[0]}\n{{oops\n{good[1]}\n")
    done = agentcvr("scripts", "check", str(path))
    assert done.returncode == 2
    assert f"error: {path}:2: there is no script" in done.stderr
    assert "2 scripts, 1 error, 0 warnings" in done.stdout


def test_check_reports_the_location_of_warnings(tmp_path):
    script = make_script("PI", 0)
    cut = script.videos[0].model_copy(update={"duration_s": script.videos[0].duration_s + 5})
    path = tmp_path / "many.jsonl"
    path.write_text(script_json(script.model_copy(update={"videos": (cut, script.videos[1])})) + "\n")
    done = agentcvr("scripts", "check", str(path))
    assert done.returncode == 0
    assert f"{path}:1: pi-000000: warning: videos[1]: nothing happens from" in done.stdout
    assert "1 script, 0 errors, 1 warning" in done.stdout


def test_import_reports_the_records_it_skips(tmp_path):
    path = tmp_path / "movie.json"
    path.write_text("[3]")
    done = agentcvr("scripts", "import", str(path), "--out", str(tmp_path / "x.jsonl"))
    assert done.returncode == 2
    assert "record 1: it is a int, not an object" in done.stderr


def test_render_writes_real_videos(tmp_path):
    done = agentcvr("scripts", "render", "msr-000000", "--out", str(tmp_path), "--subtitles")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "msr-000000").glob("*.[ms][pr][4t]")) == [
        "video_1.mp4", "video_1.srt", "video_2.mp4", "video_2.srt",
    ]  # fmt: skip


BAD = {
    "unknown task": (["scripts", "make", "--out", "x.jsonl", "-t", "XX"], "Unknown task 'XX'. Choose one of: BU, NC"),
    "unknown level": (["scripts", "make", "--out", "x.jsonl", "--difficulty", "mad"], "easy, normal, hard"),
    "no setting": (["scripts", "make", "--out", "x.jsonl", "--set", "scenes"], "Cannot read the setting 'scenes'."),
    "unknown setting": (["scripts", "make", "--out", "x.jsonl", "--set", "speed=3"], "no difficulty setting 'speed'"),
    "no number": (["scripts", "make", "--out", "x.jsonl", "--set", "scenes=nan"], "scenes=nan is not a whole number."),
    "part of a scene": (["scripts", "make", "--out", "x.jsonl", "--set", "scenes=9.5"], "9.5 is not a whole number."),
    "one wording": (
        ["scripts", "make", "--out", "x.jsonl", "-t", "CC", "-t", "LOCK", "--phrasing", "held-out"],
        "No wording of CC is held out. Choose with -t from STOP, SPOT, PAIR, COST, LOCK, RULE, CHAIN.",
    ),
    "level of a model": (
        ["scripts", "make", "--out", "x.jsonl", "--model", "offline", "--difficulty", "hard"],
        "--difficulty, --set and --phrasing are for procedural scripts.",
    ),
    "wrong ending": (["scripts", "make", "--out", "x.txt"], "written to a .jsonl file. Name it x.jsonl"),
    "no such file": (["scripts", "check", "nope.jsonl"], "nope.jsonl: no such file or folder."),
    "no such script": (["ask", "--swap", "cc-1"], "There is no script 'cc-1' here. Did you mean cc-00000"),
    "script and videos": (["ask", "a.mp4", "--swap", "cc-000000"], "A script has its own question and videos."),
    "nothing asked": (["ask"], 'Missing: the videos and the question. Write: agentcvr ask a.mp4 b.mp4 -q "..."'),
    "unknown noise": (["ask", "--swap", "cc-000000", "--noise", "loud"], "There is no noise 'loud'."),
    "unknown drawing": (["scripts", "show", "cc-000000", "--out", "x.gif"], "drawn as .html or .png. Name it x.html"),
    "unknown generator": (["scripts", "export", "nope.jsonl", "--out", "x.json"], "no such file"),
    "unknown engine": (
        ["scripts", "make", "--out", "x.jsonl", "--model", "offline", "--engine", "moon"],
        "Unknown --engine 'moon'. Choose one of: local, ray.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_exits_with_a_one_line_error_and_status_2(name, tmp_path):
    arguments, complaint = BAD[name]
    done = agentcvr(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_shows_examples():
    for command in (["scripts", "make"], ["scripts", "sim-gap"], ["ask"]):
        assert "Examples" in agentcvr(*command, "--help").stdout
