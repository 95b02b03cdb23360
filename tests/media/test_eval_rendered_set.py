"""The rendered set has CrossVid's layout: the loader reads it, its clips match the scripts, and a run can use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import agentcvr_graph
from agentcvr_graph.eval import EvalRun, load_benchmark
from agentcvr_graph.eval.rendered_set import concatenate
from agentcvr_graph.media.library import MediaLibrary
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TASKS, Scene, ScriptedVideo
from tests.support.command_line import agentcvr
from tests.support.disk_cache import cached_folder

PACKAGE = Path(agentcvr_graph.__file__).parent
pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite speaks what is said in the videos")


@pytest.fixture(scope="module")
def rendered() -> Path:
    """Return a rendered set with one easy question per task, so that the videos are short. Tests must not change it."""

    def make(folder: Path) -> None:
        done = agentcvr("scripts", "crossvid", "--out", folder / "CrossVid", "--each", 1, "--difficulty", "easy")
        assert done.returncode == 0 and "10 questions" in done.stdout

    sources = (PACKAGE / "scripts", PACKAGE / "eval", PACKAGE / "cli", PACKAGE / "types.py")
    return cached_folder("crossvid", sources, make) / "CrossVid"


def test_the_layout_matches_the_crossvid_release(rendered):
    assert sorted(path.stem for path in (rendered / "QA").iterdir()) == sorted(TASKS)
    assert {path.name for path in (rendered / "videos").iterdir()} == {"assembly", "behavior", "cook", "movie"}
    (record,) = json.loads((rendered / "QA/MSR.json").read_text())
    assert (rendered / f"uav/frames/2/{record['vid']}-2/000000.jpg").exists()
    assert "{A1}" in record["question"] and "{B2}" in record["question"]
    (record,) = json.loads((rendered / "QA/PSS.json").read_text())
    assert any(len(spans) == 2 for spans in record["segments"].values())


def test_the_loader_reads_it_and_clips_have_the_duration_of_their_scripts(rendered, tmp_path):
    loaded = load_benchmark("crossvid", rendered)
    scripts = {script.task: script for script in ScriptLibrary(rendered / "scripts.jsonl")}
    media = MediaLibrary(cache_dir=tmp_path)
    assert [question.task for question in loaded.questions] == list(TASKS)
    for question in loaded.questions:
        script = scripts[question.task]
        assert question.key == script.key or list(question.key) == list(script.key)
        assert len(question.videos) == len(script.videos)
        if question.task not in ("MSR", "MOC"):
            for video, scripted in zip(question.videos, script.videos, strict=True):
                assert media.open(video).info.duration_s == pytest.approx(scripted.duration_s, abs=0.2), video.source


def test_a_clip_shows_only_its_own_segment_of_the_rendered_video(rendered, tmp_path):
    """The frame at 0.5 s of every segment matches the picture that its script draws for that time."""
    (question,) = load_benchmark("crossvid", rendered).select(["PSS"]).questions
    script = next(s for s in ScriptLibrary(rendered / "scripts.jsonl") if s.task == "PSS")
    from agentcvr_graph.scripts.video.drawing import draw_scene

    media = MediaLibrary(cache_dir=tmp_path)
    for video, scripted in zip(question.videos, script.videos, strict=True):
        (frame,) = media.open(video).frames([0.5])
        scene = scripted.scenes[0]
        wanted = draw_scene(scene.facts, (0.5 - scene.start_s) / (scene.end_s - scene.start_s))
        picture = np.asarray(Image.fromarray(wanted).resize(frame.pixels.shape[1::-1]), dtype=float)
        assert np.abs(picture - frame.pixels).mean() < 12


def test_boxes_surround_the_drawn_objects(rendered, tmp_path):
    (question,) = load_benchmark("crossvid", rendered).select(["MSR"]).questions
    assert "obj_1" in question.question and "obj_2" in question.question
    first = question.videos[0]
    boxes = next(item for item in json.loads(Path(first.boxes).read_text()) if str(item["id"]) == first.objects[0][0])
    index, box = next((int(n), box) for n, box in boxes["bbox"].items() if box)
    plain = first.model_copy(update={"boxes": None, "objects": ()})
    media = MediaLibrary(cache_dir=tmp_path)
    time_s = (index + 0.5) / first.fps
    boxed, bare = (media.open(video).frames([time_s])[0].pixels.astype(int) for video in (first, plain))
    changed = np.argwhere(np.abs(boxed - bare).sum(axis=2) > 60)
    scale = bare.shape[1] / 640
    assert len(changed) > 20
    assert changed[:, 1].min() >= box["xtl"] * scale - 4 and changed[:, 1].max() <= box["xbr"] * scale + 40
    assert changed[:, 0].max() <= box["ybr"] * scale + 4


def test_one_command_evaluates_it_and_writes_the_table(rendered, tmp_path):
    ask = ["eval", "--benchmark", "crossvid", "--data", str(rendered), "--out", str(tmp_path / "run")]
    ask += ["--method", "agent,single-pass,blind", "-t", "CC", "-t", "CCQA", "--judge", "offline"]
    ran = agentcvr(*ask)
    assert ran.returncode == 0, ran.stderr
    assert "accuracy in %" in ran.stdout and "CCQA" in ran.stdout and "agent" in ran.stdout
    rows = EvalRun.read(tmp_path / "run").rows()
    assert len(rows) == 6 and {row.outcome for row in rows} <= {"right", "partly", "wrong"}
    assert all(row.coverage for row in rows if row.task == "CCQA" and row.value)
    assert (tmp_path / "run/report.html").exists() and (tmp_path / "run/results.parquet").exists()
    assert len(list((tmp_path / "run/questions").rglob("*.html"))) == 6


def test_videos_are_concatenated_with_a_gap():
    one = ScriptedVideo(duration_s=4.0, scenes=(Scene(start_s=1.0, end_s=4.0, caption="a", speech_s=(1.5, 3.0)),))
    other = ScriptedVideo(duration_s=2.0, scenes=(Scene(start_s=0.0, end_s=2.0, visual="b"),))
    whole, starts_s = concatenate([one, other], 5.0)
    assert starts_s == [0.0, 9.0] and whole.duration_s == 11.0
    assert [(scene.start_s, scene.end_s) for scene in whole.scenes] == [(1.0, 4.0), (9.0, 11.0)]
    shifted, _ = concatenate([other, one], 0.0)
    assert shifted.scenes[1].speech_s == (3.5, 5.0)
    sounds = make_script("CC", 0).videos[0]
    assert concatenate([sounds], 1.0)[0].scenes == sounds.scenes
