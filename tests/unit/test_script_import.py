"""AgentCVR's generators as they really write: one file a task, clips without duration, film time, untidy timelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.formats import FORMATS, files_of, import_file, import_files, record_of, script_of
from agentcvr_graph.scripts.library import ScriptLibrary, script_json
from tests.support.command_line import agentcvr

OPTIONS = ["A. Video 1", "B. Video 2"]


def event(start: Any, end: Any, visual: str = "a cook", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "visual": visual, **more}


def assembly(**more: Any) -> dict[str, Any]:
    clips = [event(0, 10, "looks", action_type="INSPECT"), event(10, 25, "snaps", action_type="ATTACH")]
    videos = {f"video_{n}": {"description": "by an expert", "clips": clips} for n in (1, 2)}
    asked = {"question": "Who errs?", "options": OPTIONS, "correct_answer": "B", "videos": videos}
    return {"id": 7, "meta": {"toy_id": "Crane", "personas": ["Expert", "Novice"]}, **asked, **more}


def plot(**more: Any) -> dict[str, Any]:
    scripts = {
        "beginning": {"duration": 60, "timeline": [event(0, 30, caption="Hello?"), event(30, 60, caption="")]},
        "ending": {"duration": 70, "timeline": [event(160, 190), event(190, 230, caption="Help me!")]},
    }
    options = [f"{letter}: event {letter}" for letter in "ABCDEF"]
    asked = {"question": "What happened?", "options": options, "correct_answer": "F", "scripts": scripts}
    return {"id": 3, "video_metadata": {"total_duration": 230, "gap_interval": [60, 160]}, **asked, **more}


def cooking(timeline: list[dict[str, Any]], duration: float | None = None, **more: Any) -> dict[str, Any]:
    clip = {"timeline": timeline} | ({} if duration is None else {"duration": duration})
    asked = {"question": "Which?", "options": OPTIONS, "correct_answer": "A"}
    return {**asked, "meta": {"recipe": "Ramen"}, "videos": {"1": clip, "2": clip}, **more}


def imported(tmp_path: Path, record: dict[str, Any], name: str = "task_0.json"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return import_file(path)


def test_an_assembly_record_has_clips_and_no_duration(tmp_path):
    (script,) = imported(tmp_path, assembly()).scripts
    assert (script.id, script.task, script.key) == ("assembly-7", "PEA", "B")
    assert [video.duration_s for video in script.videos] == [25.0, 25.0]
    assert [scene.visual for scene in script.videos[0].scenes] == ["looks", "snaps"]
    assert record_of(FORMATS["assembly"], script) == assembly()
    assert script.videos[0].title == "", "the description would give the answer away"


def test_the_ending_of_a_plot_starts_at_its_own_zero(tmp_path):
    (script,) = imported(tmp_path, plot()).scripts
    assert (script.task, script.key, script.options[5]) == ("PI", "F", "event F")
    ending = script.videos[1]
    assert (ending.title, ending.duration_s) == ("ending", 70.0)
    assert [(scene.start_s, scene.end_s) for scene in ending.scenes] == [(0.0, 30.0), (30.0, 70.0)]
    assert record_of(FORMATS["plot"], script) == plot()


def test_an_edit_of_a_shifted_ending_is_exported_in_film_time():
    script = script_of(FORMATS["plot"], plot(), "q")
    ending = script.videos[1]
    later = ending.scenes[0].model_copy(update={"visual": "runs"})
    edited = script.model_copy(
        update={"videos": (script.videos[0], ending.model_copy(update={"scenes": (later, ending.scenes[1])}))}
    )
    written = record_of(FORMATS["plot"], edited)["scripts"]["ending"]["timeline"]
    assert written[0] == event(160, 190, "runs") and written[1]["caption"] == "Help me!"


def test_an_edit_of_a_time_is_kept_on_export():
    script = script_of(FORMATS["cooking"], cooking([event(0, 4), event(4, 9)], 9), "q")
    first, second = script.videos[0].scenes
    scenes = (first.model_copy(update={"end_s": 5.0}), second.model_copy(update={"start_s": 5.0}))
    edited = script.model_copy(
        update={"videos": (script.videos[0].model_copy(update={"scenes": scenes}), script.videos[1])}
    )
    assert record_of(FORMATS["cooking"], edited)["videos"]["1"]["timeline"] == [event(0, 5), event(5, 9)]


def test_an_ending_in_its_own_time_is_not_shifted(tmp_path):
    own = plot()
    own["scripts"]["ending"] = {"duration": 70, "timeline": [event(5, 30), event(30, 70)]}
    (script,) = imported(tmp_path, own).scripts
    assert script.videos[1].scenes[0].start_s == 5.0
    assert record_of(FORMATS["plot"], script) == own


@pytest.mark.parametrize("make", [assembly, plot])
def test_a_later_step_names_the_field_videos(tmp_path, make):
    record = make()
    if "scripts" in record:
        record["videos"] = record.pop("scripts")
    (script,) = imported(tmp_path, record).scripts
    form = FORMATS[script.origin.generator.rpartition("/")[2]]
    assert record_of(form, script) == record


UNTIDY = {
    "no captions": ([event(0, 4), event(4, 9, caption=None)], 9, [(0, 4), (4, 9)], ""),
    "times as text": ([event("0", "0:04"), event("0:04", "00:00:09")], "9 s", [(0, 4), (4, 9)], ""),
    "no duration": ([event(0, 4), event(4, 9)], None, [(0, 4), (4, 9)], ""),
    "out of order": ([event(4, 9), event(0, 4)], 9, [(0, 4), (4, 9)], "not in order of time"),
    "overlapping": ([event(0, 6), event(4, 9)], 9, [(0, 4), (4, 9)], "1 events ran into the next one"),
    "past the duration": ([event(0, 4), event(4, 9)], 7, [(0, 4), (4, 9)], "after the stated duration of 7 s"),
    "no visual": ([{"start": 0, "end": 9, "caption": "Hello."}], 9, [(0, 9)], ""),
}


@pytest.mark.parametrize("name", UNTIDY)
def test_untidy_timelines_are_read_with_a_note_and_exported_as_they_were(tmp_path, name):
    timeline, duration, times, note = UNTIDY[name]
    record = cooking(timeline, duration)  # type: ignore[arg-type]
    result = imported(tmp_path, record)
    (script,) = result.scripts
    assert [(scene.start_s, scene.end_s) for scene in script.videos[0].scenes] == times
    assert script.videos[0].duration_s == 9.0
    assert not note if not result.notes else note in result.notes[0] and "record 1: video 1" in result.notes[0]
    assert record_of(FORMATS["cooking"], script) == record


REFUSED = {
    "reversed": ([event(4, 2)], "ends at 2 s, not after its start"),
    "no events": ([], "a video has no events"),
    "the same time twice": ([event(0, 4), event(0, 4)], "before the scene ahead of it ends"),
    "no time": ([event("soon", 4)], "does not fit the format 'cooking'"),
    "no end": ([{"start": 0, "visual": "x"}], "the field 'end' is missing"),
    "a text": (["x"], "does not fit the format"),
    "infinite": ([event(0, float("inf"))], "inf is not a time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_timelines_without_sense_are_one_line_with_file_and_record(tmp_path, name):
    timeline, message = REFUSED[name]
    result = imported(tmp_path, cooking(timeline))  # type: ignore[arg-type]
    assert not result.scripts
    (problem,) = result.problems
    assert problem.startswith(f"{tmp_path}/task_0.json: record 1: ") and message in problem and "\n" not in problem


LOOKALIKES = [
    (cooking([event(0, 4)]), "CC"),
    (cooking([event(0, 4)], meta={"genre": "War"}), "NC"),
    (assembly(), "PEA"),
    (assembly(meta={}), "PEA"),
]


@pytest.mark.parametrize(("record", "task"), LOOKALIKES)
def test_generators_that_look_alike_are_told_apart_by_their_fields(tmp_path, record, task):
    assert [script.task for script in imported(tmp_path, record).scripts] == [task]


def test_generators_are_told_apart_by_their_folder(tmp_path):
    plain = cooking([event(0, 4)], meta={})
    for folder, task in (("movie_synthesis", "NC"), ("cooking_synthesis", "CC"), ("assembly_synthesis", "PEA")):
        assert [script.task for script in imported(tmp_path, plain, f"{folder}/task_0.json").scripts] == [task]
    rows = [{"timestamp": "2 s", "view_a": "x", "view_b": "y"}, {"timestamp": 0, "view_a": "a"}]
    asked = {"text": "Where is {A1}?", "options": ["A. left", "B. right"], "correct_answer": "B"}
    (script,) = imported(tmp_path, {"question": asked, "video_scripts": rows}, "msr_synthesis/msr_task_0.json").scripts
    assert script.task == "MSR" and [scene.visual for scene in script.videos[0].scenes] == ["a", "x"]


KEYS = [("b", "B"), ("B. Video 2", "B"), ("Video 2", "B"), ("(B)", "B"), ("C", None), ("Video 3", None), ("", None)]


@pytest.mark.parametrize(("answer", "key"), KEYS)
def test_a_key_names_one_option_or_is_a_problem(tmp_path, answer, key):
    result = imported(tmp_path, cooking([event(0, 4)], correct_answer=answer))
    assert [script.key for script in result.scripts] == ([key] if key else [])
    assert key or "is not one of the options A to B" in result.problems[0]


OPTION_FORMS = [
    ({"A": "Video 1", "B": "Video 2"}, "B"),
    (["B. Video 2", "A. Video 1"], "B"),
    (["Video 1", "Video 2"], "Video 2"),
    (["A: Video 1", "B: Video 2"], "B: Video 2"),
    (["(A) Video 1", "(B) Video 2"], "(B)"),
]


@pytest.mark.parametrize(("options", "answer"), OPTION_FORMS)
def test_options_in_any_form_keep_the_meaning_of_the_key(tmp_path, options, answer):
    record = cooking([event(0, 4)], options=options, correct_answer=answer)
    (script,) = imported(tmp_path, record).scripts
    assert (script.options, script.key) == (("Video 1", "Video 2"), "B")
    assert record_of(FORMATS["cooking"], script) == record


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Return a folder as the release has it: one folder a generator, one file a task, and a log of failed tasks."""
    root = tmp_path / "finished"
    for number in range(12):
        imported(root, cooking([event(0, 4)], id=number), f"cooking_synthesis/task_{number}.json")
        imported(root, plot(id=number), f"plot_synthesis/task_{number}.json")
    (root / "plot_synthesis/generation_errors.json").write_text('[{"id": 99, "error": "x"}]')
    (root / "plot_synthesis/._task_1.json").write_bytes(b"\x00\x05")
    return root


def test_a_folder_with_one_file_a_task_is_imported_in_natural_order(released):
    result = import_files(files_of(released))
    assert [script.id for script in result.scripts] == [
        *(f"cooking-{number}" for number in range(12)),
        *(f"plot-{number}" for number in range(12)),
    ]
    assert not result.problems and "generation_errors.json: left out" in result.notes[0]


def test_ids_that_occur_twice_are_made_unique(tmp_path):
    for name in ("a", "b"):
        imported(tmp_path, cooking([event(0, 4)], id="x-1"), f"{name}/task_1.json")
    assert [script.id for script in import_files(files_of(tmp_path)).scripts] == ["x-1", "x-1-2"]


def test_a_path_without_files_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.json or \.jsonl file"):
        files_of(tmp_path)
    with pytest.raises(InputError, match="There is no"):
        files_of(tmp_path / "x")


def test_the_command_imports_a_folder_and_replaces_an_earlier_import_only_with_force(released, tmp_path):
    to = tmp_path / "finished/mine.jsonl"
    done = agentcvr("scripts", "import", str(released), "--out", str(to))
    assert done.returncode == 0, done.stderr
    assert "24 scripts from 25 files" in done.stdout and len(ScriptLibrary(to)) == 24
    (released / "cooking_synthesis/task_3.json").write_text("{oops")
    done = agentcvr("scripts", "import", str(released), "--out", str(to))
    assert done.returncode == 2 and f"{to} exists. Name another file with --out" in done.stderr
    assert len(ScriptLibrary(to)) == 24
    done = agentcvr("scripts", "import", str(released), "--out", str(to), "--force")
    assert done.returncode == 2 and "task_3.json: record 1: it is no JSON" in done.stderr
    assert "23 scripts from 25 files" in done.stdout and len(ScriptLibrary(to)) == 23


def test_a_file_that_cannot_be_read_does_not_end_the_import_of_a_folder(released):
    (released / "plot_synthesis/task_3.json").write_bytes(b"\xff\xfe\x00{")
    result = import_files(files_of(released))
    assert len(result.scripts) == 23 and "task_3.json: it cannot be read" in result.problems[0]
    with pytest.raises(InputError, match="Unknown generator 'films'"):
        import_files(files_of(released), "films")


def test_a_failed_import_leaves_nothing_behind(tmp_path):
    bad, to = tmp_path / "movie.json", tmp_path / "new/out.jsonl"
    bad.write_text("[3]")
    done = agentcvr("scripts", "import", str(bad), "--out", str(to))
    assert done.returncode == 2 and "No script was imported" in done.stderr
    assert not to.exists() and not list(tmp_path.rglob("*.part"))
    to.parent.mkdir(exist_ok=True)
    kept = script_json(script_of(FORMATS["plot"], plot(), "q")) + "\n"
    to.write_text(kept)
    agentcvr("scripts", "import", str(bad), "--out", str(to), "--force")
    assert to.read_text() == kept
