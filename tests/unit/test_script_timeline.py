"""Drawings of a script show every scene, mark the evidence and the key, and escape untrusted text."""

from __future__ import annotations

import pytest
from rich.console import Console

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_script, make_scripts
from agentcvr_graph.scripts.schema import TASKS, Facts, Scene, ScriptedVideo
from agentcvr_graph.scripts.stats import stats, stats_table
from agentcvr_graph.scripts.timeline import draw_script, render_page, script_lines
from agentcvr_graph.scripts.timeline.view import view_of

CC = make_script("CC", 5)
HOSTILE = "<img src=x onerror=alert(1)>\"'[bold]"


def hostile_script():
    scene = Scene(start_s=0, end_s=4, visual=HOSTILE, caption=HOSTILE, facts=Facts(text=(HOSTILE,)))
    video = ScriptedVideo(duration_s=9, scenes=(scene,), title=HOSTILE)
    changes = {"question": HOSTILE, "options": (HOSTILE, "b"), "key": "A", "videos": (video, video), "evidence": ()}
    return CC.model_copy(update=changes)


@pytest.mark.parametrize("task", TASKS)
def test_every_scene_and_sentence_is_drawn(task):
    script = make_script(task, 1)
    page = render_page(script)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(script_lines(script))
    terminal = " ".join(console.export_text().split())
    for video in script.videos:
        for scene in video.scenes:
            assert f"{scene.start_s:.1f}-{scene.end_s:.1f} s" in page
            assert scene.caption.replace("'", "&#39;") in page
            assert f"{scene.start_s:.1f}-{scene.end_s:.1f}" in terminal
    console.file.close()


def test_the_evidence_and_the_key_are_marked():
    view = view_of(CC)
    blocks = [block for timeline in view.timelines for block in (*timeline.seen, *timeline.heard)]
    assert sum(block.proves for block in blocks) == len(CC.evidence)
    assert [label for label, _, right in view.options if right] == [CC.key]


def test_of_a_library_the_videos_with_evidence_are_drawn_and_some_others():
    library = make_script("LIB", 1, LEVELS["normal"])
    view = view_of(library)
    assert len(view.timelines) == 20
    assert {window.video for window in library.evidence} <= {timeline.number for timeline in view.timelines}
    assert view.made.endswith("; 80 of 100 videos are not drawn; none of them holds evidence")
    assert view.made in render_page(library)


def test_gaps_are_shown():
    timeline = view_of(hostile_script()).timelines[0]
    assert [(block.type, block.start_s, block.end_s) for block in timeline.seen] == [("scene", 0, 4), ("gap", 4.0, 9)]


def test_hostile_text_is_escaped():
    page = render_page(hostile_script())
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 8


def test_timelines_are_drawn_as_png_files(tmp_path):
    from PIL import Image

    for name, script in (("few", CC), ("hostile", hostile_script()), ("many", make_script("PSS", 0, LEVELS["hard"]))):
        path = tmp_path / f"{name}.png"
        draw_script(script, path)
        with Image.open(path) as picture:
            assert picture.size == (1430, pytest.approx(110 * (1.5 + 1.45 * len(script.videos)), abs=2))
            assert len(picture.convert("RGB").getcolors(2**20)) > 50
    with pytest.raises(InputError, match=r"x\.gif: a script is drawn as \.html or \.png"):
        draw_script(CC, tmp_path / "x.gif")


def test_statistics_can_be_checked_by_hand():
    found = stats(make_scripts({"CC": 3, "PI": 2}))
    assert {task: row.scripts for task, row in found.items()} == {"CC": 3, "PI": 2}
    script = make_script("PI", 0)
    alone = stats([script])["PI"]
    assert alone.videos == 2
    assert alone.video_s == pytest.approx(sum(video.duration_s for video in script.videos))
    assert alone.words == sum(len(scene.caption.split()) for video in script.videos for scene in video.scenes)
    assert stats_table(found).row_count == 2
