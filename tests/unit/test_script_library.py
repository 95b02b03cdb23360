"""A script library loads scripts lazily by id. It reports broken records and keeps the valid ones."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts import library as library_module
from agentcvr_graph.scripts.bundled import bundled_library, find_script
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary, parse_script, script_json, write_scripts
from agentcvr_graph.scripts.schema import TASKS, Facts, Scene, ScriptedVideo, Sounded
from agentcvr_graph.types import Citation

SCRIPT = make_script("CC", 1)


def test_a_script_is_unchanged_after_writing_and_reading():
    for task in TASKS:
        script = make_script(task, 2)
        assert parse_script(script_json(script), "x") == script
        assert json.loads(script_json(script))["version"] == 1


def test_json_and_jsonl_files_are_loaded_from_a_folder(tmp_path):
    (tmp_path / "pi-000001.json").write_text(script_json(make_script("PI", 1)))
    write_scripts(make_scripts({"CC": 3}), tmp_path / "many.jsonl")
    library = ScriptLibrary(tmp_path)
    assert sorted(library.ids) == ["cc-000000", "cc-000001", "cc-000002", "pi-000001"]
    assert len(library) == 4
    assert library.get("cc-000002") == make_script("CC", 2)
    assert library.get("pi-000001").task == "PI"
    assert [script.id for script in library] == library.ids
    alone = tmp_path / "called-as-you-like.json"
    alone.write_text(json.dumps(json.loads(script_json(SCRIPT)), indent=2))
    assert ScriptLibrary(alone).ids == [SCRIPT.id]


@pytest.mark.parametrize("name", ["one.jsonl", "one.json"])
def test_files_of_a_windows_editor_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + script_json(SCRIPT).encode() + b"\r\n")
    library = ScriptLibrary(path)
    assert library.get(SCRIPT.id) == SCRIPT and not library.problems


def test_scripts_are_not_parsed_before_they_are_requested(tmp_path, monkeypatch):
    path = tmp_path / "many.jsonl"
    line = script_json(SCRIPT)
    with path.open("w") as file:
        for n in range(100_000):
            file.write(line[:200].replace(SCRIPT.id, f"cc-{n:06d}", 1) + "}\n")
    parsed = []
    monkeypatch.setattr(library_module, "parse_script", lambda text, place: parsed.append(place))
    # The module's own name: other threads parse JSON with the real one.
    monkeypatch.setattr(library_module, "json", SimpleNamespace(loads=parsed.append))
    library = ScriptLibrary(path)
    assert len(library) == 100_000
    assert "cc-099999" in library
    assert parsed == []


BROKEN = {
    "no JSON": ("{oops", r"many.jsonl:2: there is no script: it has no id, or is not JSON\."),
    "no id": ('{"task": "CC"}', r"many.jsonl:2: there is no script"),
    "torn": (script_json(SCRIPT)[:300], r"many.jsonl:2: Invalid JSON"),
    "twice": (script_json(make_script("PI", 0)), r"many.jsonl:2: the id 'pi-000000' is already that of .*many.jsonl:1"),
    "unknown field": (script_json(SCRIPT)[:-1] + ', "colour": 3}', "colour: Extra inputs are not permitted"),
    "bad key": (
        script_json(SCRIPT.model_copy(update={"key": "Z"})),
        "key: the answer 'Z' is not one of the options A to D. Write its letter or its text.$",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_reported_and_the_valid_ones_are_loaded(tmp_path, name):
    line, complaint = BROKEN[name]
    path = tmp_path / "many.jsonl"
    good = [script_json(make_script("PI", n)) for n in range(2)]
    path.write_text(f"{good[0]}\n{line}\n{good[1]}\n")
    library = ScriptLibrary(path)
    assert [script.id for script in library] == ["pi-000000", "pi-000001"]
    assert len(library.problems) == 1
    with pytest.raises(InputError, match=complaint):
        raise InputError(library.problems[0])


def test_parsed_scripts_are_kept_up_to_a_number_of_scenes(tmp_path, monkeypatch):
    """A script of a large library takes megabytes, so scenes are counted and not scripts."""
    write_scripts(make_scripts({"CC": 3}), tmp_path / "some.jsonl")
    library = ScriptLibrary(tmp_path)
    scenes = sum(len(video.scenes) for video in library.get("cc-000000").videos)
    monkeypatch.setattr("agentcvr_graph.scripts.library.KEPT_SCENES", 2 * scenes)
    one, two = library.get("cc-000000"), library.get("cc-000001")
    assert library.get("cc-000000") is one
    library.get("cc-000002")
    assert library.get("cc-000000") is one
    assert library.get("cc-000001") is not two


def test_a_library_that_changes_while_it_is_open_is_read_again(tmp_path):
    path = tmp_path / "many.jsonl"
    write_scripts(make_scripts({"CC": 3}), path)
    library = ScriptLibrary(path)
    assert library.get("cc-000001").task == "CC"
    write_scripts(make_scripts({"NC": 1, "CC": 2}, 1), path)
    assert library.get("cc-000002") == make_script("CC", 2)  # has moved to another line
    assert library.get("nc-000001").task == "NC"  # is new
    with pytest.raises(InputError, match=r"There is no script 'cc-000000' here\. .*Did you mean"):
        library.get("cc-000000")
    path.unlink()
    with pytest.raises(InputError, match="no such file or folder"):
        library.get("cc-000001")


def test_missing_and_empty_folders_raise_input_error(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such file or folder\. Name a \.json or \.jsonl file"):
        ScriptLibrary(tmp_path / "nowhere")
    with pytest.raises(InputError, match="There is no script in"):
        ScriptLibrary(tmp_path)


def test_a_file_of_questions_is_no_library_and_the_command_for_it_is_named(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("question,videos\nWho?,a.mp4\n")
    with pytest.raises(InputError, match=r"There is no script in .*Questions about videos .* agentcvr eval --data"):
        ScriptLibrary(path)


def test_the_bundled_library_holds_five_of_each_task_and_a_library():
    library = bundled_library()
    assert [sum(script.task == task for script in library) for task in TASKS] == [5] * 10
    assert [(script.id, len(script.videos)) for script in library if script.task not in TASKS] == [("lib-000006", 30)]
    assert make_script("LIB", 6, LEVELS["easy"]) == library.get("lib-000006")
    assert library.problems == []
    assert all(check_script(script) == [] for script in library)


def test_scripts_are_found_by_id_or_by_path(tmp_path):
    path = tmp_path / "many.jsonl"
    write_scripts(make_scripts({"CC": 2}), path)
    assert find_script("pss-000003")[1].task == "PSS"
    assert find_script(f"{path}#cc-000001")[1].id == "cc-000001"
    with pytest.raises(InputError, match=r"holds 2 scripts: cc-000000, cc-000001.*Name one as '.*many.jsonl#ID'"):
        find_script(str(path))
    with pytest.raises(InputError, match=r"nope.jsonl: no such file"):
        find_script("nope.jsonl")
    with pytest.raises(InputError, match="There is no script 'cc-9' here"):
        find_script("cc-9")


def scene(start_s, end_s, **more):
    return Scene(start_s=start_s, end_s=end_s, visual="x", **more)


def of(*scenes, duration_s=10.0, **more):
    return SCRIPT.model_copy(update={"videos": (ScriptedVideo(duration_s=duration_s, scenes=scenes),) * 2, **more})


GOOD = {"options": ("a", "b"), "key": "A", "evidence": ()}
WHOLE = scene(0, 10)
FAULTS = {
    "overlap": (of(scene(0, 6), scene(5, 10), **GOOD), "error: videos[1].scenes[2]: it starts at 5 s, before"),
    "gap": (of(scene(0, 4), scene(6, 10), **GOOD), "warning: videos[1].scenes[2]: nothing happens from 4 to 6 s"),
    "late start": (of(scene(2, 10), **GOOD), "warning: videos[1].scenes[1]: nothing happens in the 2 s before it"),
    "early end": (of(scene(0, 7), **GOOD), "warning: videos[1]: nothing happens from 7 s to its end at 10 s"),
    "beyond": (of(scene(0, 12), **GOOD), "error: videos[1].scenes[1]: it ends at 12 s, but the video at 10 s"),
    "backwards": (of(scene(8, 3), **GOOD), "error: videos[1].scenes[1]: it ends at 3 s, not after its start at 8 s"),
    "no such option": (
        of(WHOLE, **{**GOOD, "key": "C"}),
        "error: key: the answer 'C' is not one of the options A to B",
    ),
    "a key that none equals": (
        of(WHOLE, **{**GOOD, "key": "B."}),
        "error: key: 'B.' is scored as it stands; write 'B'",
    ),
    "a key that fits two options": (
        of(WHOLE, options=("B", "A"), key="A", evidence=()),
        "error: key: the answer 'A' may be option A ('B') or B ('A')",
    ),
    "one option": (of(WHOLE, **{**GOOD, "options": ("a",)}), "error: options: a question of kind 'choice' needs"),
    "options beside an interval": (
        of(WHOLE, kind="interval", options=("a", "b"), key=(0.0, 5.0), evidence=()),
        "error: options: a question of kind 'interval' takes none, and has 2",
    ),
    "same options": (of(WHOLE, **{**GOOD, "options": ("a", "a")}), "error: options: 'a' is there more than once"),
    "speech outside": (
        of(scene(0, 10, caption="hi", speech_s=(9, 12)), **GOOD),
        "error: videos[1].scenes[1]: its caption is spoken from 9 to 12 s, not inside",
    ),
    "times of other words": (
        of(scene(0, 10, caption="hi", word_times_s=((1, 2), (2, 3))), **GOOD),
        "warning: videos[1].scenes[1]: its caption has 1 words, and 2 word times, so they are not used",
    ),
    "sound outside": (
        of(
            WHOLE.model_copy(
                update={
                    "facts": WHOLE.facts.model_copy(update={"sounds": (Sounded(kind="music", start_s=9, end_s=11),)})
                }
            ),
            **GOOD,
        ),
        "error: videos[1].scenes[1]: its music lasts from 9 to 11 s, not inside",
    ),
    "evidence outside": (
        of(WHOLE, **{**GOOD, "evidence": (Citation(video=1, start_s=5, end_s=20, modality="audio"),)}),
        "error: evidence[1]: 5-20 s lies outside video 1, 0-10 s",
    ),
    "evidence elsewhere": (
        of(WHOLE, **{**GOOD, "evidence": (Citation(video=7, start_s=5, end_s=6, modality="audio"),)}),
        "error: evidence[1]: there is no video 7; the last is 2",
    ),
    "a recording with a picture": (
        of(WHOLE, videos=(ScriptedVideo(duration_s=10.0, scenes=(WHOLE,), picture=False),)),
        "error: videos[1].scenes[1]: it shows something, but its video has no picture",
    ),
    "interval too late": (
        of(WHOLE, kind="interval", options=(), key=(5.0, 15.0), evidence=()),
        "error: key: the interval ends at 15 s, and no video is that long",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_and_located(name):
    script, expected = FAULTS[name]
    problems = [str(problem) for problem in check_script(script)]
    assert [line for line in problems if line.startswith(expected)], problems


@pytest.mark.parametrize(("facts", "warned"), [(Facts(), True), (Facts(colours=("red",)), False)])
def test_a_scene_without_words_says_nothing_unless_it_has_facts(facts, warned):
    bare = Scene(start_s=0.0, end_s=4.0, facts=facts)
    script = SCRIPT.model_copy(update={"videos": (ScriptedVideo(duration_s=4.0, scenes=(bare,)), *SCRIPT.videos[1:])})
    messages = [f"{one.place}: {one.message}" for one in check_script(script)]
    assert ("videos[1].scenes[1]: it shows and says nothing" in messages) == warned
