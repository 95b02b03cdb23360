"""Every format that AgentCVR released can be read and written again, and nothing is lost in either direction."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.formats import FORMATS, export_file, import_file, record_of, script_of
from agentcvr_graph.scripts.generators.procedural import make_script
from tests.support.examples import examples

WORDS = st.text("abcdefghij KLM.", min_size=1, max_size=20).map(str.strip).filter(bool)


@st.composite
def timelines(draw, start_s=0.0):
    """Generate consecutive events whose caption has text, is empty, or is missing."""
    events = []
    for _ in range(draw(st.integers(1, 4))):
        end_s = start_s + draw(st.integers(1, 20)) / 2
        event = {"start": start_s, "end": end_s, "visual": draw(WORDS)}
        event |= draw(st.sampled_from([{}, {"caption": ""}, {"caption": "hello there"}]))
        event |= draw(st.sampled_from([{}, {"camera": "left"}]))
        events.append(event)
        start_s = end_s
    return events


@st.composite
def clips(draw):
    events = draw(timelines())
    return {"duration": events[-1]["end"], "timeline": events} | draw(st.sampled_from([{}, {"style": "calm"}]))


@st.composite
def segments(draw):
    start_s = draw(st.integers(0, 50)) / 1.0
    events = draw(timelines(start_s))
    return {"interval": [[start_s, events[-1]["end"]]], "detailed_timeline": events}


@st.composite
def records(draw, generator):
    record = {"question": draw(WORDS)} | draw(st.sampled_from([{}, {"id": "q-1"}, {"meta": {"by": ["x", 1]}}]))
    names = [str(n) for n in range(1, draw(st.integers(2, 4)) + 1)]
    labels = [f"{letter}. Video {n}" for letter, n in zip("ABCD", names, strict=False)]
    chosen = {"options": labels, "correct_answer": draw(st.sampled_from("ABCD"[: len(labels)]))}
    held = FORMATS[generator].holder
    if generator in ("cooking", "movie", "assembly"):
        record |= chosen | {held: {name: draw(clips()) for name in names}}
    elif generator == "behavior":
        letters = draw(st.lists(st.sampled_from("ABCD"[: len(labels)]), min_size=1, unique=True).map(sorted))
        record |= {"options": labels, "answer": letters, held: {name: draw(clips()) for name in names}}
    elif generator == "grounding":
        videos = {"video_A": draw(clips()), "video_B": draw(clips())}
        record |= {"answer": [0.0, 0.5], "ref_segment": [0.0, videos["video_A"]["duration"]], held: videos}
    elif generator == "plot":
        record |= chosen | {held: {"beginning": draw(timelines()), "ending": draw(timelines())}}
    elif generator == "sort":
        order = "->".join(draw(st.permutations(names)))
        record |= {"answer": order, held: {name: draw(segments()) for name in names}}
    else:
        rows = [
            {"timestamp": 2 * n, "view_a": draw(WORDS), "view_b": draw(WORDS)} for n in range(draw(st.integers(1, 5)))
        ]
        record |= {"question": {"text": "How many?", **chosen}, held: rows}
    return record


@pytest.mark.parametrize("generator", FORMATS)
@given(data=st.data())
def test_a_record_is_unchanged_after_a_round_trip(generator, data):
    record = data.draw(records(generator))
    form = FORMATS[generator]
    script = script_of(form, record, "q")
    assert not errors_of(script)
    assert record_of(form, script) == record


@pytest.mark.parametrize("generator", FORMATS)
@given(data=st.data())
@settings(max_examples=examples(10))
def test_the_newer_field_name_of_the_timelines_is_kept(generator, data):
    record = data.draw(records(generator))
    form = FORMATS[generator]
    record["videos"] = record.pop(form.holder)
    script = script_of(form, record, "q")
    assert record_of(form, script) == record
    assert not [step for step in script.extra.get("round_trip_diff", []) if step["path"] == "/videos"]


@pytest.mark.parametrize("generator", FORMATS)
def test_a_script_is_unchanged_after_a_round_trip(generator):
    form = FORMATS[generator]
    for seed in range(5):
        script = make_script(form.task, seed)
        record = json.loads(json.dumps(record_of(form, script)))
        assert script_of(form, record, "another-id") == script


def test_an_edit_is_kept_on_export():
    record = {
        "question": "Which?",
        "options": ["A. Video 1", "B. Video 2"],
        "correct_answer": "A",
        "note": "keep me",
        "videos": {str(n): {"duration": 4, "timeline": [{"start": 0, "end": 4, "visual": "a"}]} for n in (1, 2)},
    }
    form = FORMATS["cooking"]
    edited = script_of(form, record, "q").model_copy(update={"key": "B", "question": "Which one?"})
    written = record_of(form, edited)
    assert (written["correct_answer"], written["question"], written["note"]) == ("B", "Which one?", "keep me")


def test_a_drone_script_becomes_two_views_of_two_second_scenes():
    rows = [{"timestamp": 0, "view_a": "a red car", "view_b": "a tree"}, {"timestamp": 2, "view_a": "x", "view_b": "y"}]
    question = {"text": "How many cars?", "options": ["A. 1", "B. 2"], "correct_answer": "B"}
    script = script_of(FORMATS["uav_count"], {"question": question, "video_scripts": rows}, "q")
    assert [video.duration_s for video in script.videos] == [4.0, 4.0]
    assert [scene.visual for scene in script.videos[1].scenes] == ["a tree", "y"]
    assert (script.task, script.key, script.options) == ("MOC", "B", ("1", "2"))


def test_each_segment_starts_at_zero():
    record = {
        "answer": "2 -> 1",
        "segments": {
            "1": {"interval": [[30, 34]], "detailed_timeline": [{"start": 30, "end": 34, "visual": "late"}]},
            "2": {"interval": [[0, 5]], "detailed_timeline": [{"start": 0, "end": 5, "visual": "early"}]},
        },
    }
    script = script_of(FORMATS["sort"], record, "q")
    assert script.key == "2->1"
    assert [(v.duration_s, v.scenes[0].start_s) for v in script.videos] == [(4.0, 0.0), (5.0, 0.0)]
    assert record_of(FORMATS["sort"], script) == record


def good(letter="A"):
    timeline = [{"start": 0, "end": 4, "visual": "a"}]
    videos = {str(n): {"duration": 4, "timeline": timeline} for n in (1, 2)}
    return {"question": "Which?", "options": ["A. Video 1", "B. Video 2"], "correct_answer": letter, "videos": videos}


BROKEN = {
    "no JSON": ("{oops", "it is no JSON"),
    "a number": ("3", "it is a int, not an object"),
    "no fields": ("{}", "it has the fields of none of the generators"),
    "a missing field": (json.dumps({"question": "?", "correct_answer": "A", "options": ["A. x"]}), "is missing"),
    "a key beyond the options": (json.dumps(good("F")), "is not one of the options A to B"),
    "overlapping scenes": (
        json.dumps(
            good() | {"videos": {"1": {"duration": 9, "timeline": [{"start": 0, "end": 5, "visual": "a"}] * 2}}}
        ),
        "before the scene ahead of it ends",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_is_reported_and_the_valid_ones_are_imported(tmp_path, name):
    line, complaint = BROKEN[name]
    path = tmp_path / "cooking_synthesis.jsonl"
    path.write_text(f"{json.dumps(good())}\n{line}\n{json.dumps(good('B'))}\n")
    imported = import_file(path)
    assert [script.key for script in imported.scripts] == ["A", "B"]
    assert len({script.id for script in imported.scripts}) == 2
    (problem,) = imported.problems
    assert problem.startswith(f"{path}: record 2: ")
    assert complaint in problem


def test_similar_formats_are_distinguished_by_file_name_or_must_be_named(tmp_path):
    for name, task in (("movie.json", "NC"), ("CC_test.json", "CC"), ("assembly_v2.json", "PEA")):
        path = tmp_path / name
        path.write_text(json.dumps([good()]))
        assert [script.task for script in import_file(path).scripts] == [task]
    path = tmp_path / "data.json"
    path.write_text(json.dumps(good()))
    assert "it may be cooking or movie or assembly" in import_file(path).problems[0]
    assert [script.task for script in import_file(path, "movie").scripts] == ["NC"]
    with pytest.raises(InputError, match=r"Unknown generator 'films'\. Choose one of: cooking, movie"):
        import_file(path, "films")


def test_export_writes_a_list_and_reports_scripts_that_do_not_fit(tmp_path):
    path = tmp_path / "out.json"
    assert export_file([make_script("FSA", n) for n in range(3)], path) == 3
    assert [set(record) >= {"answer", "ref_segment"} for record in json.loads(path.read_text())] == [True] * 3
    assert len(import_file(path).scripts) == 3
    with pytest.raises(InputError, match=r"AgentCVR released no format for CCQA .* Choose one of: cooking \(CC\)"):
        export_file([make_script("CCQA", 0)], path)
    with pytest.raises(InputError, match="does not fit the format 'grounding'"):
        export_file([make_script("CC", 0)], path, "grounding")
