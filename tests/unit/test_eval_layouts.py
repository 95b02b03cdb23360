"""CrossVid in AgentCVR's layout, CVBench-shaped files with any number of videos, and MVU-Eval's averages."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentcvr_graph import InputError
from agentcvr_graph.eval import load_benchmark
from agentcvr_graph.eval.summary import summarize
from agentcvr_graph.scripts.schema import TASKS
from tests.support.examples import examples
from tests.support.rows import row

OPTIONS = ["A. one", "B. two", "C. three", "D. four"]
CLIPS = ["vid/1", "vid/2", "vid/3"]
RECORDS: dict[str, dict[str, Any]] = {
    "BU": {"id": 1, "videos": ["a", "b", "c"], "question": "Which?", "options": OPTIONS, "answer": "AC"},
    "NC": {"id": 1, "videos": ["m1", "m2"], "question": "Which?", "options": OPTIONS, "answer": ["D"]},
    "CC": {
        **{"id": 1, "videos": ["k1", "k2"], "begin": [None, 3], "end": [None, 9], "question": "Which?"},
        **{"options": OPTIONS, "answer": "B"},
    },
    "PEA": {
        **{"id": 1, "videos": CLIPS, "begin": ["0:01", 2, 3], "end": ["0:00:11", 12.5, 13], "question": "Which?"},
        **{"options": OPTIONS, "answer": "C"},
    },
    "PI": {
        **{"id": 1, "video": "m1", "beginning": [0, 10], "ending": [20, 25], "answer": "F"},
        "options": [*OPTIONS, "E. five", "F. six"],
    },
    "FSA": {"id": 1, "video A": "k1", "video B": "k2", "ref_segment": [74, 89], "answer": [12, 20.5]},
    "PSS": {
        **{"id": 1, "video": "k1", "answer": "2->1->3"},
        "segments": {"segment_2": [[0, 10]], "segment_10": [[50, 60]], "segment_1": [[30, 40]]},
    },
    "MSR": {
        **{"id": 1, "class": "22-1", "question": "Where is {B2} from {A3}?", "answer": "A"},
        "options": ["A. right of {A3}", "B. left of {A3}"],
    },
    "MOC": {"id": 1, "class": "22-0", "question": "How many cars?", "options": ["A. 1", "B. 2"], "answer": "B"},
    "CCQA": {
        **{"id": 1, "video A": "k1", "video B": "k2", "question": "How do they differ?"},
        **{"answer": "One fries, one boils.", "scoring_points": ["one fries", "one boils"]},
    },
}
RECORDS["PSS"]["answer"] = "2->1->10"
SAMPLES = [{"moving": [], "unmoving": []}, {"moving": [{"id": 5}, {"id": 7}], "unmoving": [{"id": 9}]}]


def write(path: Path, stored: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(stored if isinstance(stored, str) else json.dumps(stored))
    return path


def touch(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, "x")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a folder in AgentCVR's layout: `question/`, one folder of videos a task, drones below `uav/`."""
    root = tmp_path / "agent_system"
    for task, record in RECORDS.items():
        write(root / "question" / f"{task}.json", [record])
    touch(root / "videos/BU", "a.mp4", "b.mp4", "c.mp4")
    touch(root / "videos/NC", "m1.mp4", "m2.mp4")
    touch(root / "videos/CC", "k1.mp4", "k2.mp4")
    touch(root / "videos/PEA", "vid_1.mp4", "vid_2.mp4", "vid_3.mp4")
    write(root / "uav/samples/22.json", SAMPLES)
    for view in (1, 2):
        touch(root / "uav", f"frames/{view}/22-{view}/000.jpg")
        write(root / f"uav/bbox/{view}/22.json", [{"id": number, "bbox": {}} for number in (5, 7, 9)])
    return root


def test_all_ten_tasks_of_agentcvrs_layout_are_loaded(release):
    loaded = load_benchmark("crossvid", release)
    by_task = {question.task: question for question in loaded.questions}
    assert tuple(by_task) == TASKS and not loaded.unusable
    videos = {task: [video.source for video in question.videos] for task, question in by_task.items()}
    root = release / "videos"
    assert videos["BU"] == [f"{root}/BU/{name}.mp4" for name in "abc"] and by_task["BU"].key == ["A", "C"]
    assert videos["NC"] == [f"{root}/NC/m1.mp4", f"{root}/NC/m2.mp4"] and by_task["NC"].key == "D"
    assert videos["CC"] == [f"{root}/CC/k1.mp4", f"{root}/CC/k2.mp4#t=3,9"]
    assert videos["PEA"] == [
        f"{root}/PEA/vid_1.mp4#t=1,11",
        f"{root}/PEA/vid_2.mp4#t=2,12.5",
        f"{root}/PEA/vid_3.mp4#t=3,13",
    ]
    assert videos["PI"] == [f"{root}/NC/m1.mp4#t=0,10", f"{root}/NC/m1.mp4#t=20,25"] and by_task["PI"].key == "F"
    assert videos["FSA"] == videos["CCQA"] == [f"{root}/CC/k1.mp4", f"{root}/CC/k2.mp4"]
    assert videos["PSS"] == [f"{root}/CC/k1.mp4#t={clip}" for clip in ("30,40", "0,10", "50,60")]
    assert by_task["PSS"].key == "2->1->3"  # the positions of segment_2, segment_1 and segment_10
    assert videos["MOC"] == [f"{release}/uav/frames/1/22-1", f"{release}/uav/frames/2/22-2"]
    view_a, view_b = by_task["MSR"].videos
    assert view_a.objects == (("9", "obj_2"),), "the third object is the first that does not move"
    assert view_b.objects == (("7", "obj_1"),) and by_task["MSR"].options == ("right of obj_2", "left of obj_2")
    assert loaded.notes[0].startswith("AgentCVR's layout; questions from")


def test_roots_apart_and_either_name_of_the_question_folder_are_loaded(release, tmp_path):
    videos = tmp_path / "cache"
    (release / "videos").rename(videos)
    (release / "uav").rename(videos / "uav")
    assert len(load_benchmark("crossvid", release, videos).questions) == 10
    assert len(load_benchmark("crossvid", release / "question", videos).questions) == 10
    (release / "question").rename(release / "QA")
    assert len(load_benchmark("crossvid", release, videos).questions) == 10


def test_a_missing_file_is_named_with_its_path_in_the_layout_and_its_place(release):
    (release / "videos/PEA/vid_2.mp4").unlink()
    (release / "uav/frames/2/22-2/000.jpg").unlink()
    with pytest.raises(InputError) as error:
        load_benchmark("crossvid", release)
    said = str(error.value)
    assert "3 of 10 questions cannot be used (1 PEA, 1 MSR, 1 MOC)" in said
    assert f"{release}/videos/PEA/vid_2.mp4 ({release}/question/PEA.json: question 0)" in said
    assert f"{release}/uav/frames/2/22-2 (" in said, "an empty folder shows nothing"


def test_tasks_without_questions_are_noted_with_the_path_that_was_tried(release):
    (release / "question/MOC.json").unlink()
    write(release / "question/BU.json", [])
    notes = load_benchmark("crossvid", release).notes
    assert f"no questions for MOC: there is no {release}/question/MOC.json" in notes
    assert f"no questions for BU: {release}/question/BU.json is an empty list" in notes


BAD_DRONES = [
    ({"class": "22"}, "the class '22' names no sample"),
    ({"class": "22-7"}, "has no sample 7; it has 2"),
    ({"class": "23-0"}, "samples/23.json cannot be read"),
    ({"question": "Where is {A4}?"}, "the question names {A4}, but it has 3 objects"),
    ({"class": None}, "names no sample"),
]


@pytest.mark.parametrize(("change", "message"), BAD_DRONES)
def test_a_drone_question_without_its_sample_is_reported(release, change, message):
    write(release / "question/MSR.json", [RECORDS["MSR"] | change])
    with pytest.raises(InputError) as error:
        load_benchmark("crossvid", release)
    assert f"{release}/question/MSR.json: question 0" in str(error.value) and message in str(error.value)


BAD = [
    ("PSS", {"answer": "2->1"}, "does not order the segments 1, 2, 10"),
    ("PSS", {"segments": {"first": [[0, 1]]}}, "'first' has no number in its name"),
    ("PEA", {"begin": [1, 2]}, "must be a list with one time a video"),
    ("PEA", {"end": ["soon", 2, 3]}, "PEA.json: question 0"),
    ("PI", {"beginning": [10, 0]}, "no interval in [10, 0]"),
    ("CC", {"videos": "k1"}, "must be a list of names"),
    ("CC", {"answer": "E"}, "is not one of the options A to D"),
    ("FSA", {"ref_segment": [1]}, "FSA.json: question 0"),
]


@pytest.mark.parametrize(("task", "change", "message"), BAD)
def test_a_broken_question_is_one_line_with_its_place(release, task, change, message):
    write(release / f"question/{task}.json", [RECORDS[task] | change])
    with pytest.raises(InputError) as error:
        load_benchmark("crossvid", release)
    assert message in str(error.value) and "Traceback" not in str(error.value)
    assert len(load_benchmark("crossvid", release, skip_unusable=True).questions) == 9


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_field_is_read_or_refused_as_an_input_error(release, task, data):
    field = data.draw(st.sampled_from(sorted(RECORDS[task])))
    write(release / f"question/{task}.json", [RECORDS[task] | {field: data.draw(JSON)}])
    with contextlib.suppress(InputError):
        load_benchmark("crossvid", release, skip_unusable=True)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "{}", "3", "\ufeff[]", "null"])
def test_a_file_that_holds_no_questions_is_an_input_error(release, text):
    for name in ("crossvid", "cvbench", "mvu-eval"):
        folder = release.parent / name
        for file in ("QA/BU.json", "CVBench.json", "MVU_Eval_QAs.json"):
            write(folder / file, text)
        with pytest.raises(InputError):
            load_benchmark(name, folder).select()


def test_a_recording_of_pea_is_never_taken_for_another_of_the_same_name(release):
    record = RECORDS["PEA"] | {"videos": ["one/cam", "two/cam", "vid/3"]}
    write(release / "question/PEA.json", [record])
    touch(release / "videos/PEA", "cam.mp4")
    with pytest.raises(InputError, match=r"videos/PEA/one_cam\.mp4"):
        load_benchmark("crossvid", release)


def test_cvbench_shaped_files_may_have_any_number_of_videos(tmp_path):
    names = [f"sub\\{n}.mp4" for n in range(1, 13)]
    record = {f"video_{n}": name for n, name in enumerate(names, 1)} | {"video_13": None, "video_14": ""}
    touch(tmp_path, *(name.replace("\\", "/") for name in names))
    asked = {"question": "Q?", "options": ["A. a", "B. b"], "answer": "B", "task_type": "t"}
    write(
        tmp_path / "CVBench.json",
        [{**record, **asked, "id": 1}, {**asked, "id": 2, "video_1": names[0], "video_2": None}],
    )
    first, second = load_benchmark("cvbench", tmp_path).questions
    assert [video.source for video in first.videos] == [f"{tmp_path}/sub/{n}.mp4" for n in range(1, 13)]
    assert len(second.videos) == 1
    write(tmp_path / "CVBench.json", [{**asked, "id": 3, "video_1": None}])
    with pytest.raises(InputError, match="question 0: it names no video"):
        load_benchmark("cvbench", tmp_path)


def test_every_form_of_a_yes_no_question_of_cvbench_is_loaded(tmp_path):
    """137 questions in the forms of the release: "Yes." or "Yes. " as an option, `Yes` or `No` as the answer."""
    touch(tmp_path, "a.mp4", "b.mp4")
    forms = [["Yes.", "No."], ["Yes. ", "No. "], ["Yes", "No"], ["A. Yes.", "B. No."], ["No.", "Yes."]]
    stored = [
        {"id": n, "task_type": "t", "video_1": "a.mp4", "video_2": "b.mp4", "question": "Is it?"}
        | {"options": forms[n % len(forms)], "answer": ("Yes", "No")[n % 2]}
        for n in range(137)
    ]
    loaded = load_benchmark("cvbench", write(tmp_path / "CVBench.json", stored))
    assert len(loaded.questions) == 137
    for question, record in zip(loaded.questions, stored, strict=True):
        assert question.options["AB".index(str(question.key))].startswith(record["answer"])


def test_mvu_evals_averages_are_perception_reasoning_and_all(tmp_path):
    tasks = ["OR", "Spatial Understanding", "counting", "Comparison", "KIR", "ICL", "RAG", "TR"]
    touch(tmp_path, "a.mp4")
    asked = {"question": "Q?", "options": ["A. a", "B. b"], "video_paths": ["a.mp4"], "ground_truth": "A"}
    stored = {str(n): {**asked, "task": task} for n, task in enumerate(tasks)}
    loaded = load_benchmark("mvu-eval", write(tmp_path / "MVU_Eval_QAs.json", stored))
    assert [question.task for question in loaded.questions][:4] == ["OR", "SU", "Counting", "Comparison"]
    scores = {"OR": [1.0, 1.0, 0.0], "SU": [0.0], "KIR": [1.0]}
    rows = [row(id=f"{task}{n}", task=task, score=score) for task, own in scores.items() for n, score in enumerate(own)]
    means = {line.name: line.accuracy.mean for line in summarize(rows, loaded.averages)}
    assert means["Perception"] == pytest.approx((2 / 3 + 0) / 2) and means["Reasoning"] == 1.0
    assert means["all"] == pytest.approx(3 / 5)
