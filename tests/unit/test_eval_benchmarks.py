"""Loaders read every layout and quirk of the benchmark releases, and report clearly which questions are unusable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph import InputError
from agentcvr_graph.eval import load_benchmark
from agentcvr_graph.eval.benchmarks.crossvid import clip_of
from agentcvr_graph.eval.benchmarks.options import read_options
from agentcvr_graph.scripts.schema import TASKS


def write(path: Path, stored) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(stored if isinstance(stored, str) else json.dumps(stored))
    return path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


OPTIONS = ["A. one", "B. two", "C. three", "D. four"]
COOKS = [f"cook/{n}.mp4" for n in range(4)]
RECORDS = {
    "BU": {"id": 7, "videos": COOKS[:3], "question": "Which?", "options": OPTIONS, "answer": ["A", "C"]},
    "NC": {"id": 0, "videos": COOKS, "question": "Which?", "options": OPTIONS, "answer": ["D"]},
    "CC": {"id": 0, "videos": COOKS, "question": "Which?", "options": OPTIONS, "answer": "B"},
    "PEA": {
        **{"id": 0, "videos": COOKS[:3], "begin": [1, 2, 3], "end": [11, 12.5, 13], "question": "Which?"},
        **{"options": OPTIONS, "answer": "C"},
    },
    "PI": {
        **{"id": 0, "video": COOKS[0], "beginning": [[0, 10]], "ending": [[20, 25], [30, 35]]},
        **{"options": [*OPTIONS, "E. five", "F. six"], "answer": "F"},
    },
    "FSA": {"id": 0, "video A": COOKS[0], "video B": COOKS[1], "ref_segment": [74, 89], "answer": [12, 20.5]},
    "PSS": {
        **{"id": 0, "video": COOKS[0], "answer": "2->1->3"},
        "segments": {"1": [[30, 40]], "2": [[0, 10], [12, 15]], "3": [[50, 60]]},
    },
    "MSR": {
        **{"id": 0, "vid": 22, "objects": [{"id": 18}, {"id": 37}], "answer": "A"},
        "question": "Where is {B2} as seen from {A1}?",
        "options": ["A. right of {A1}", "B. left of {A1}"],
    },
    "MOC": {
        **{"id": 0, "vid": 22, "objects": [], "question": "How many cars?", "options": ["A. 1", "B. 2"]},
        "answer": "B",
    },
    "CCQA": {
        **{"id": 0, "video A": COOKS[2], "video B": COOKS[3], "question": "How do they differ?"},
        **{"answer": "One fries, one boils.", "scoring_points": ["one fries", "one boils"]},
    },
}


@pytest.fixture
def release(tmp_path) -> Path:
    """Return a folder in the layout of the CrossVid release, with one question per task."""
    root = tmp_path / "CrossVid"
    for task, record in RECORDS.items():
        write(root / "QA" / f"{task}.json", [record])
    touch(root / "videos", *COOKS)
    for view in (1, 2):
        touch(root / "uav", f"frames/{view}/22-{view}/000.jpg")
        write(root / f"uav/bbox/{view}/22.json", [{"id": 18, "bbox": {}}, {"id": 37, "bbox": {}}])
    return root


def test_all_ten_crossvid_tasks_are_loaded(release):
    loaded = load_benchmark("crossvid", release)
    by_task = {question.task: question for question in loaded.questions}
    assert tuple(by_task) == TASKS
    root = release / "videos"
    assert by_task["BU"].id == "BU-7"
    assert by_task["BU"].key == ["A", "C"] and by_task["BU"].kind == "choices"
    assert by_task["NC"].key == "D" and len(by_task["NC"].videos) == 4
    assert by_task["CC"].options == ("one", "two", "three", "four")
    assert [video.source for video in by_task["PEA"].videos] == [
        f"{root}/cook/0.mp4#t=1,11",
        f"{root}/cook/1.mp4#t=2,12.5",
        f"{root}/cook/2.mp4#t=3,13",
    ]
    assert [video.source for video in by_task["PI"].videos] == [
        f"{root}/cook/0.mp4#t=0,10",
        f"{root}/cook/0.mp4#t=20,25&t=30,35",
    ]
    assert "74 to 89 s of video 1" in by_task["FSA"].question and by_task["FSA"].key == (12.0, 20.5)
    assert by_task["PSS"].videos[1].source.endswith("#t=0,10&t=12,15") and by_task["PSS"].key == "2->1->3"
    assert by_task["CCQA"].scoring_points == ("one fries", "one boils")
    assert loaded.averages["M"] == ("MSR", "MOC") and loaded.averages["O"] == TASKS


def test_tags_become_objects_in_order_of_appearance_with_boxes_in_their_view(release):
    (question,) = load_benchmark("crossvid", release).select(["MSR"]).questions
    assert question.question.startswith("Where is obj_1 as seen from obj_2?")
    assert question.options == ("right of obj_2", "left of obj_2")
    first, second = question.videos
    assert first.source.endswith("uav/frames/1/22-1") and second.source.endswith("uav/frames/2/22-2")
    assert first.objects == (("18", "obj_2"),) and first.boxes == f"{release}/uav/bbox/1/22.json"
    assert second.objects == (("37", "obj_1"),)
    (counting,) = load_benchmark("crossvid", release).select(["MOC"]).questions
    assert counting.videos[0].boxes is None


def test_the_agentcvr_release_layout_is_loaded(tmp_path):
    """Videos lie in one folder per task below one root. Drone questions have a class and a file of samples."""
    record = dict(RECORDS["MSR"], **{"class": "22-1"})
    del record["vid"], record["objects"]
    write(tmp_path / "qa" / "MSR.json", [record])
    write(tmp_path / "qa" / "CC.json", [dict(RECORDS["CC"], videos=["a.mp4", "b.mp4", "c.mp4", "d.mp4"])])
    root = tmp_path / "all"
    touch(root, *(f"CC/{name}.mp4" for name in "abcd"), "uav/frames/1/22-1/0.jpg", "uav/frames/2/22-2/0.jpg")
    for view in (1, 2):
        write(root / f"uav/bbox/{view}/22.json", [{"id": 5, "bbox": {}}, {"id": 6, "bbox": {}}])
    for samples in ([[{"id": 1}], [{"id": 5}, {"id": 6}]], {"1": {"objects": [5, 6]}}):
        write(root / "uav/samples/22.json", samples)
        loaded = load_benchmark("crossvid", tmp_path / "qa", root)
        assert [question.task for question in loaded.questions] == ["CC", "MSR"]
        assert loaded.questions[0].videos[0].source == f"{root}/CC/a.mp4"
        assert loaded.questions[1].videos[1].objects == (("6", "obj_1"),)


def test_missing_files_are_reported_with_the_number_of_unusable_questions(release):
    (release / "videos/cook/3.mp4").unlink()
    with pytest.raises(InputError) as error:
        load_benchmark("crossvid", release)
    said = str(error.value)
    assert "3 of 10 questions cannot be used (1 NC, 1 CC, 1 CCQA)" in said
    assert "cook/3.mp4" in said and "--skip-unusable" in said
    loaded = load_benchmark("crossvid", release, skip_unusable=True)
    assert len(loaded.questions) == 7 and {one.id for one in loaded.unusable} == {"NC-0", "CC-0", "CCQA-0"}


def test_broken_records_are_reported_with_file_and_question(release):
    broken = [
        RECORDS["CC"],
        dict(RECORDS["CC"], id=1, answer="Z"),
        {"id": 2},
        "what?",
        dict(RECORDS["CC"], id=3, videos=None),
    ]
    write(release / "QA/CC.json", broken)
    with pytest.raises(InputError) as error:
        load_benchmark("crossvid", release)
    said = str(error.value)
    assert "4 of 14 questions" in said
    assert "CC.json: question 1: the answer 'Z' is not one of the options A to D" in said
    assert "options A to D. Write its letter or its text; " in said
    assert "question 2 has no 'videos'. Fill in this column or field; " in said
    assert len(load_benchmark("crossvid", release, skip_unusable=True).questions) == 10


def test_tasks_are_selected_by_name_and_unknown_names_or_folders_raise_input_error(release):
    loaded = load_benchmark("crossvid", release)
    assert [question.task for question in loaded.select(["PSS", "BU"]).questions] == ["BU", "PSS"]
    with pytest.raises(InputError, match="no task 'XX'"):
        loaded.select(["XX"])
    with pytest.raises(InputError, match="Unknown benchmark 'x'"):
        load_benchmark("x", release)
    with pytest.raises(InputError, match="There is no"):
        load_benchmark("crossvid", release / "none")
    with pytest.raises(InputError, match="holds no QA/<TASK>"):
        load_benchmark("crossvid", release / "videos")


def test_cvbench_is_loaded(tmp_path):
    record = {"video_1": "0\\a.mp4", "video_2": "0/b.mp4", "video_3": None, "video_4": None, "question": "Q?"}
    packed = "A. Red. B. Blue, or B. C. Green"
    stored = [
        {**record, "id": 0, "task_type": "Scene", "options": ["Yes. ", "No. "], "answer": "No"},
        {**record, "id": 1, "task_type": "Scene", "options": ["A. White.", "B. Red."], "answer": "A"},
        {**record, "id": 2, "task_type": "Counting", "options": [packed], "answer": "C"},
        {**record, "id": 3, "task_type": "Counting", "options": ["A. 2-3-1.", "B. 1-2-3."], "answer": "B. 1-2-3."},
    ]
    write(tmp_path / "CVBench.json", stored)
    touch(tmp_path, "0/a.mp4", "0/b.mp4")
    loaded = load_benchmark("cvbench", tmp_path)
    assert [question.key for question in loaded.questions] == ["B", "A", "C", "B"]
    assert loaded.questions[0].options == ("Yes.", "No.")
    assert loaded.questions[2].options == ("Red.", "Blue, or B.", "Green")
    assert [video.source for video in loaded.questions[0].videos] == [f"{tmp_path}/0/a.mp4", f"{tmp_path}/0/b.mp4"]
    assert load_benchmark("cvbench", tmp_path / "CVBench.json").fingerprint == loaded.fingerprint


def test_mvu_eval_is_loaded(tmp_path):
    record = {"question": "Which?", "options": ["A. Cat", "B. Dog"], "task": "OR"}
    stored = {
        "0": {**record, "video_paths": ["a.mp4", "temp/b.mp4"], "ground_truth": "B"},
        "1": {**record, "video_paths": ["a.mp4"], "ground_truth": "A"},
    }
    touch(tmp_path, "a.mp4", "temp/b.mp4")
    write(tmp_path / "MVU_Eval_QAs.json", stored)
    loaded = load_benchmark("mvu-eval", tmp_path)
    assert [(question.id, question.key) for question in loaded.questions] == [("mvu-0", "B"), ("mvu-1", "A")]
    older = [{**record, "QA_index": 4, "videos": ["a.mp4"], "answer": "A"}]
    (question,) = load_benchmark("mvu-eval", write(tmp_path / "older.json", older)).questions
    assert question.id == "mvu-4" and question.task == "OR"


def test_own_questions_are_loaded_from_csv_and_jsonl(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    table = (
        "\ufeffquestion,videos,options,answer,kind,task\n"
        '"Which, if any?",a.mp4; b.mp4,Cook 1;Cook 2,b,,cooking\n'
        "Which all?,a.mp4;b.mp4,x;y;z,A and C,choices,cooking\n"
        "In which order?,a.mp4;b.mp4,,2->1,order,\n"
        "How many?,a.mp4,,3,number,\n"
        "When?,a.mp4;b.mp4,,1:10-1:20,interval,\n"
        "Why?,a.mp4,,because,text,\n"
    )
    loaded = load_benchmark("own", write(tmp_path / "mine.csv", table))
    assert [question.key for question in loaded.questions] == ["B", ["A", "C"], "2->1", 3.0, (70.0, 80.0), "because"]
    assert loaded.questions[0].videos[1].source == f"{tmp_path}/b.mp4"
    assert loaded.questions[0].question == "Which, if any?"
    lines = "\n".join(question.model_dump_json() for question in loaded.questions)
    again = load_benchmark("own", write(tmp_path / "mine.jsonl", lines))
    assert again.questions == loaded.questions
    torn = '{"question": "One\u2028line?", "videos": ["a.mp4"], "key": "k"}'
    (question,) = load_benchmark("own", write(tmp_path / "torn.jsonl", torn)).questions
    assert question.question == "One\u2028line?"
    wide = "question,video_1,video_2,option_1,option_2,answer\nWhich?,a.mp4,b.mp4,left,right,left\n"
    (question,) = load_benchmark("own", write(tmp_path / "wide.csv", wide)).questions
    assert question.key == "A" and len(question.videos) == 2


def test_invalid_question_files_raise_input_error(tmp_path):
    touch(tmp_path, "a.mp4")
    with pytest.raises(InputError, match="no file of questions"):
        load_benchmark("own", write(tmp_path / "a.txt", "x"))
    with pytest.raises(InputError, match="holds no question"):
        load_benchmark("own", write(tmp_path / "b.csv", "question,videos\n"))
    bad = "question,videos,options,answer\nq,a.mp4,x;y,C\n,a.mp4,,\n"
    with pytest.raises(InputError) as error:
        load_benchmark("own", write(tmp_path / "c.csv", bad))
    assert "c.csv:2: the answer 'C' is not one of the options" in str(error.value)
    assert "c.csv:3 has no 'question'" in str(error.value)
    keyless = "id,question,videos\nmine,q,a.mp4\n"
    with pytest.raises(InputError, match=r"e\.csv:2: mine has no answer to score by"):
        load_benchmark("own", write(tmp_path / "e.csv", keyless))
    twice = '{"id": "a", "question": "q", "videos": ["a.mp4"], "key": "k"}\n' * 2
    with pytest.raises(InputError, match=r"d.jsonl:2: the id 'a' occurs twice, first at .*d.jsonl:1"):
        load_benchmark("own", write(tmp_path / "d.jsonl", twice))


TEXT = st.text(min_size=1, max_size=12).filter(str.strip)


@given(st.lists(TEXT, min_size=2, max_size=6, unique_by=lambda text: " ".join(text.split())))
def test_only_the_option_letters_are_stripped(texts):
    lettered = [f"{letter}. {text}" for letter, text in zip("ABCDEF", texts, strict=False)]
    assert read_options(lettered).texts == tuple(text.strip() for text in texts)


def test_empty_intervals_are_ignored_and_a_clip_needs_one_interval():
    assert clip_of("a.mp4", [1, 2]) == "a.mp4#t=1,2"
    assert clip_of("a.mp4", [[3, 3], [4, 5]]) == "a.mp4#t=4,5"
    with pytest.raises(ValueError, match="no interval"):
        clip_of("a.mp4", [[3, 3]])
