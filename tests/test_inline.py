"""What a notebook shows: every object has a picture of itself, and nothing in it is markup of somebody else's."""

from __future__ import annotations

from pathlib import Path

from agentcvr_graph import Answer, Citation, Evidence, Observation, Window, create_cvr_graph, trajectory_of
from agentcvr_graph.eval import Recipe, evaluate_benchmark, scripted_questions
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.scripts.worlds import make_script
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

EVIL = "<script>alert(1)</script>"


def test_an_answer_with_its_proofs():
    cited = Citation(video=2, start_s=1, end_s=2.5, modality="audio")
    html = Answer(kind="choice", value="B", text=EVIL, rationale="because", citations=(cited,))._repr_html_()
    assert "<li>video 2, 1.0-2.5 s, heard</li>" in html and "because" in html
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "<ul>" not in Answer(kind="number", value=3.0, text="3")._repr_html_()


def test_an_observation_with_what_was_found_or_that_nothing_was():
    window = Window(video=1, start_s=0, end_s=5)
    told = Evidence(text=EVIL, window=window)
    html = Observation(
        modality="visual", windows=(window,), evidence=(told,), model="eyes", notes=("few",)
    )._repr_html_()
    assert "seen:" in html and "<td>video 1, 0.0-5.0 s</td>" in html and "by eyes" in html and "few" in html
    assert "<script" not in html
    assert "Nothing to hear" in Observation(modality="audio", windows=(window,))._repr_html_()


async def test_a_trajectory_is_its_report_in_a_frame_of_its_own():
    master = FakeMaster(turns=[turn(EVIL, observe((1, 0, 9, 2))), turn("", answer("A"))])
    graph = create_cvr_graph(master, FakePerception()).compile()
    output = await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"], "options": ["x", EVIL]})
    html = trajectory_of(output)._repr_html_()
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2
    assert "&lt;h1&gt;Which?" in html and "&amp;lt;script&amp;gt;alert(1)" in html


def test_a_script_shows_its_lanes():
    html = make_script("CC", 0)._repr_html_()
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2 and "Which" in html


async def test_a_run_shows_its_table(tmp_path: Path):
    write_scripts([make_script("CC", seed) for seed in range(4)], tmp_path / "scripts.jsonl")
    recipe = Recipe(methods=("agent", "blind"), scripts=str(tmp_path / "scripts.jsonl"))
    run = await evaluate_benchmark(scripted_questions(tmp_path / "scripts.jsonl"), recipe, tmp_path / "run")
    html = run._repr_html_()
    assert "<th>task</th><th>questions</th><th>agent</th><th>blind</th>" in html
    assert "<tr><td>CC</td><td>4</td>" in html and "<tr><td>world failures</td><td></td><td>0</td><td>0</td>" in html
