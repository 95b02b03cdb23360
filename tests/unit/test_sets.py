"""Sets: nine questions about the same three tours, each with a key that is independent of all questions."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.procedural import solve
from agentcvr_graph.scripts.generators.procedural.tours.phrasings import phrasing_of
from agentcvr_graph.scripts.generators.procedural.tours.sets import GENERATORS, make_set, make_sets
from agentcvr_graph.scripts.library import ScriptLibrary, script_json
from agentcvr_graph.scripts.schema import KIND_OF
from tests.support.command_line import agentcvr


def questions_by_set(scripts):
    found = {}
    for script in scripts:
        found.setdefault(script.id.rpartition("-")[0], []).append(script)
    return list(found.values())


def test_all_nine_questions_of_a_set_are_valid_and_the_oracle_answers_them():
    sets = questions_by_set(make_sets(60, 5))
    assert [len(own) for own in sets] == [9] * 60
    for script in (script for own in sets for script in own):
        assert check_script(script) == []
        assert solve(script.model_copy(update={"key": "?", "evidence": ()})) == script.key
        assert script.kind == KIND_OF[script.task]


def test_the_questions_of_a_set_share_three_videos_of_about_90_seconds():
    sets = questions_by_set(make_sets(60))
    assert all(script.videos == own[0].videos for own in sets for script in own)
    lengths = [video.duration_s for own in sets for video in own[0].videos]
    assert len(lengths) == 180
    assert min(lengths) >= 75 and max(lengths) <= 105
    assert sum(lengths) / 180 == pytest.approx(90, abs=2)


def test_the_questions_of_a_set_are_different_and_every_task_is_asked_equally_often():
    sets = questions_by_set(make_sets(10))
    for own in sets:
        assert sorted(Counter(script.task for script in own).values()) == [1, 2, 2, 2, 2]
        asked = [GENERATORS[script.task].phrasings.read(script.question) for script in own]
        facts = {
            (script.task, *(term.sign for term in terms.values())) for script, terms in zip(own, asked, strict=True)
        }
        assert len(facts) == 9
    assert Counter(script.task for own in sets for script in own) == dict.fromkeys(GENERATORS, 18)


def test_the_decisive_windows_show_or_say_what_the_answer_needs():
    """A look at the windows alone: the place of the question, and in PAIR the builder too, in each of three tours."""
    for script in make_set(3):
        terms = GENERATORS[script.task].phrasings.read(script.question)
        windows = Counter(proof.modality for proof in script.evidence)
        expected = {
            "STOP": {"audio": 1},
            "SPOT": {"visual": 3},
            "PAIR": {"visual": 3, "audio": 3},
            "COST": {"visual": 3},
            "LOCK": {"audio": 1, "visual": 1},
        }
        assert windows == expected[script.task]
        for proof in script.evidence:
            scenes = script.videos[proof.video - 1].scenes
            scene = next(scene for scene in scenes if scene.start_s <= proof.start_s < scene.end_s)
            if proof.modality == "audio":
                assert (proof.start_s, proof.end_s) == scene.speech_s
            elif script.task != "LOCK":
                assert scene.facts.text[0] == terms["p"].sign
                assert len(scene.facts.text) == 2


def test_no_place_is_spelled_in_another_way_by_speech_recognisers():
    """Whisper writes "theater" and "harbor", which no sign and no question does."""
    spoken = {word for script in make_sets(40) for word in str(script.videos).lower().replace(".", " ").split()}
    assert not [word for word in spoken if "theatre" in word or "harbour" in word]


def test_questions_are_worded_as_asked_for():
    for phrasing in ("training", "held-out"):
        for script in make_sets(5, 0, phrasing):
            phrasings = GENERATORS[script.task].phrasings
            templates = zip(phrasings.templates, phrasings._patterns, strict=True)
            assert {phrasing_of(one) for one, pattern in templates if pattern.fullmatch(script.question)} == {phrasing}


def test_a_seed_gives_the_same_set_in_another_process():
    code = (
        "from agentcvr_graph.scripts.generators.procedural.tours.sets import make_set;"
        "from agentcvr_graph.scripts.library import script_json;"
        "print('\\n'.join(map(script_json, make_set(5))))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={"PYTHONHASHSEED": "3"}, capture_output=True, check=True, text=True)
    assert done.stdout.splitlines() == [script_json(script) for script in make_set(5)]


def test_the_command_writes_sets_to_a_file(tmp_path):
    path = tmp_path / "sets.jsonl"
    done = agentcvr("scripts", "sets", "--out", path, "--count", 2, "--seed", 7, "--phrasing", "held-out")
    assert done.returncode == 0, done.stderr
    assert f"2 sets, 18 questions: {path}" in done.stdout
    assert list(ScriptLibrary(path)) == list(make_sets(2, 7, "held-out"))
    assert agentcvr("scripts", "sets", "--out", path).returncode == 2
