"""Procedural scripts are consistent and answerable. tests/training/test_guessing.py covers guessing."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.procedural import (
    GENERATORS,
    LEVELS,
    Difficulty,
    make_script,
    make_scripts,
    solve,
)
from agentcvr_graph.scripts.generators.procedural.base import read
from agentcvr_graph.scripts.generators.procedural.library import TEMPLATES
from agentcvr_graph.scripts.schema import KIND_OF, OWN_TASKS, TASKS

ONE_VIDEO_MAY_DECIDE = ("LIB", "STOP", "SPOT", "LOCK", "RULE")


def test_there_is_a_generator_for_every_task():
    assert tuple(GENERATORS) == (*TASKS, *OWN_TASKS)
    assert all(GENERATORS[task].task == task for task in GENERATORS)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", GENERATORS)
def test_scripts_are_valid_and_the_oracle_answers_all_of_them(task, level):
    for script in make_scripts({task: 10 if task == "LIB" else 60}, 7, LEVELS[level]):
        assert check_script(script) == []
        assert solve(script) == script.key
        assert script.kind == KIND_OF.get(task, script.kind)
        assert len({window.video for window in script.evidence}) >= (1 if task in ONE_VIDEO_MAY_DECIDE else 2)


@pytest.mark.parametrize("task", GENERATORS)
def test_the_oracle_never_reads_the_key(task):
    for script in make_scripts({task: 10 if task == "LIB" else 50}):
        assert solve(script.model_copy(update={"key": "?", "evidence": ()})) == script.key


def test_difficulty_settings_change_the_scripts():
    easy, hard = make_script("CC", 0, LEVELS["easy"]), make_script("CC", 0, LEVELS["hard"])
    assert (len(easy.videos), len(hard.videos)) == (3, 5)
    assert len(hard.videos[0].scenes) == 24
    assert hard.videos[0].duration_s > 5 * easy.videos[0].duration_s
    short = Difficulty(decisive_s=0.5)
    spans = [w.duration_s for s in make_scripts({"PEA": 20}, 0, short) for w in s.evidence if w.modality == "visual"]
    assert statistics.median(spans) < 1.0


def test_close_distractors_differ_in_one_detail():
    """With closeness 1 every wrong video meets exactly one of the two conditions; with closeness 0 it meets none."""
    for closeness, expected in ((1.0, {1}), (0.0, {0})):
        met = set()
        for script in make_scripts({"CC": 40}, 0, Difficulty(closeness=closeness)):
            slots = next(w for w in [read(GENERATORS["CC"]._setting.questions, script.question)] if w)
            for n, video in enumerate(script.videos):
                if "ABCD"[n] != script.key:
                    shown = [scene.facts.text for scene in video.scenes]
                    x, y = ((f"ADD {slots[name].upper()}",) for name in "xy")
                    says = any(slots["w"] in scene.caption for scene in video.scenes)
                    met.add((shown.index(x) < shown.index(y)) + says)
        assert met == expected


def test_a_library_has_many_videos_and_one_or_two_that_decide():
    assert [len(make_script("LIB", 0, level).videos) for level in LEVELS.values()] == [30, 100, 300]
    made = list(make_scripts({"LIB": 40}, 20, LEVELS["easy"]))
    assert {script.kind for script in made} == {"choice", "text", "number", "interval"}
    assert {len({window.video for window in script.evidence}) for script in made} == {1, 2}


def test_the_words_of_a_library_question_are_in_other_videos_too():
    """Close distractors: a video that has all the words of the description, in another sense."""
    for script in make_scripts({"LIB": 30}, 0, Difficulty(library=60, closeness=1.0)):
        template = next(t for t in TEMPLATES if t.kind == script.kind and t.read(script.question))
        wanted = set(template.read(script.question)[0].values())
        right = {window.video for window in script.evidence}
        said = [
            " ".join(f"{scene.visual} {scene.caption}" for scene in video.scenes).lower()
            for n, video in enumerate(script.videos, start=1)
            if n not in right
        ]
        assert sum(all(word in text for word in wanted) for text in said) >= 1
        assert sum(any(word in text for word in wanted) for text in said) >= 4


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"speed": 3}, "no difficulty setting 'speed'"),
        ({"videos": 1}, "videos=1 is outside 2 to 8"),
        ({"library": 20}, "library=20 is outside 30 to 300"),
    ],
)
def test_an_invalid_difficulty_raises_input_error(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        Difficulty().with_settings(settings)


def test_a_seed_gives_the_same_script_in_another_process():
    code = (
        "from agentcvr_graph.scripts.generators.procedural import *;"
        "print([make_script(task, 5) for task in GENERATORS])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
