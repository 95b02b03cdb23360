"""Notebooks display every result object as HTML, and untrusted text in it is escaped."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from agentcvr_graph import Answer, Citation, Evidence, Observation, Window, create_cvr_graph, trajectory_of
from agentcvr_graph.eval import EvalConfig, evaluate_benchmark, scripted_questions
from agentcvr_graph.eval.compare import Comparison, Difference
from agentcvr_graph.eval.metrics import Estimate
from agentcvr_graph.eval.sim_gap import Noise, SimGapResult
from agentcvr_graph.eval.sim_gap.statistics import TaskSummary
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.report import cited_windows, timeline
from agentcvr_graph.report.ipython import RENDERERS, script_html, trajectory_html
from agentcvr_graph.report.notebook import answer_html, observation_html
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from tests.support.report_samples import NASTY, failed, many_turns, usual
from tests.support.report_samples import video as clip

EVIL = "<script>alert(1)</script>"


def test_an_answer_is_shown_with_its_citations():
    cited = Citation(video=2, start_s=1, end_s=2.5, modality="audio")
    html = answer_html(Answer(kind="choice", value="B", text=EVIL, rationale="because", citations=(cited,)))
    assert "<li>video 2, 1.0-2.5 s, listened</li>" in html and "because" in html
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "<ul>" not in answer_html(Answer(kind="number", value=3.0, text="3"))


def test_an_observation_is_shown_with_its_evidence_or_a_note_that_there_is_none():
    window = Window(video=1, start_s=0, end_s=5)
    evidence = Evidence(text=EVIL, window=window)
    html = observation_html(
        Observation(modality="visual", windows=(window,), evidence=(evidence,), model="stub", notes=("few",))
    )
    assert "observed:" in html and "<td>video 1, 0.0-5.0 s</td>" in html and "by stub" in html and "few" in html
    assert "<script" not in html
    assert "Nothing to hear" in observation_html(Observation(modality="audio", windows=(window,)))


async def test_a_trajectory_is_shown_as_its_report_in_an_iframe():
    master = FakeMaster(turns=[turn(EVIL, observe((1, 0, 9, 2))), turn("", answer("A"))])
    graph = create_cvr_graph(master, FakePerception()).compile()
    output = await graph.ainvoke({"question": "Which?", "videos": ["a.mp4"], "options": ["x", EVIL]})
    html = trajectory_html(trajectory_of(output))
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2
    assert "&lt;h1&gt;Which?" in html and "&amp;lt;script&amp;gt;alert(1)" in html


def test_a_script_is_shown_as_its_timeline():
    html = script_html(make_script("CC", 0))
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2 and "Which" in html


async def test_an_evaluation_run_is_shown_as_its_table(tmp_path: Path):
    write_scripts([make_script("CC", seed) for seed in range(4)], tmp_path / "scripts.jsonl")
    config = EvalConfig(methods=("agent", "blind"), scripts=str(tmp_path / "scripts.jsonl"))
    run = await evaluate_benchmark(scripted_questions(tmp_path / "scripts.jsonl"), config, tmp_path / "run")
    html = run._repr_html_()
    assert "<th>task</th><th>questions</th><th>agent</th><th>blind</th>" in html
    assert (
        "<tr><td>CC</td><td>4</td>" in html
        and "<tr><td>infrastructure errors</td><td></td><td>0</td><td>0</td>" in html
    )


class Stub:
    """A thumbnail source that returns the same bytes for every time and records the times."""

    def __init__(self):
        self.times_s = []

    def thumbnail(self, video, time_s):
        self.times_s.append(time_s)
        return b"jpeg"


def test_a_timeline_places_observed_and_cited_windows_correctly():
    html = timeline(usual())._repr_html_()
    assert "1. cook_red" in html and "2. cook_blue" in html
    # Turn 1 observed 7 to 13 s of 38 s; 8 to 10 s are cited.
    assert f'<svg x="{100 * 7 / 38:.3f}%" y="0" width="{100 * 6 / 38:.3f}%"' in html
    assert f'<rect x="{100 * 8 / 38:.3f}%"' in html and html.count('stroke="#178a5c"') == 2
    assert "<title>turn 1: observed 7.0-13.0 s</title>" in html


def test_a_timeline_shows_overlapping_windows_and_unreadable_videos():
    def height(trajectory):
        return int(timeline(trajectory).html.partition('height="')[2].partition('"')[0])

    assert height(usual()) == 2 * (22 + 2 * (16 + 5) + 24)
    assert height(many_turns()) > 2 * height(usual())
    broken = clip(2).model_copy(update={"problem": "the file is cut off", "duration_s": 0.0})
    html = timeline(usual().model_copy(update={"videos": (clip(1), broken)})).html
    assert "the file is cut off" in html and html.count(">observed</text>") == 1


def test_cited_windows_are_shown_with_their_frames_and_evidence():
    stub = Stub()
    html = cited_windows(usual(), stub)._repr_html_()
    assert stub.times_s == [8.0, 10.0, 15.5]  # the observed frames, and the middle of the audio window
    assert html.count("data:image/jpeg;base64,anBlZw==") == 3
    assert "<b>video 1, 8.0-10.0 s</b> <small>cook_red, observed</small>" in html
    assert html.count("ADD SALT") == 1 and html.count("cooking with butter") == 1
    assert "<img" not in cited_windows(usual()).html
    assert "The answer has no citations." in cited_windows(failed()).html


def test_untrusted_text_is_escaped_in_excerpts():
    for shown in (timeline(usual(NASTY, NASTY)), cited_windows(usual(NASTY, NASTY))):
        assert "<script" not in shown.html and "<img" not in shown.html
    titled = clip(1).model_copy(update={"video": clip(1).video.model_copy(update={"title": NASTY})})
    assert "<script" not in timeline(usual().model_copy(update={"videos": (titled, clip(2))})).html


def test_a_comparison_is_shown_as_a_table_in_percent():
    line = Difference("CC", 40, 0.9, 0.5, Estimate(0.4, 0.25, 0.55), 0.0004, 17, 1)
    even = Difference("NC", 2, 1.0, 1.0, Estimate(0.0, 0.0, 0.0), 1.0, 0, 0)
    html = Comparison(("a", EVIL), (line, even), 0)._repr_html_()
    assert "<td>+40.0 (+25.0 to +55.0)</td><td>17</td><td>1</td><td>&lt;0.001 *</td>" in html
    assert "<td>+0.0 (+0.0 to +0.0)</td><td>0</td><td>0</td><td>1.000</td>" in html
    assert "<script" not in html


def test_a_sim_to_real_gap_is_shown_as_a_table_of_scripted_and_live_scores():
    gap = Estimate(-0.25, -0.5, 0.0)
    row = TaskSummary("CC", 12, 12, Estimate(0.5, 0.25, 0.75), Estimate(0.75, 0.5, 0.9), gap, 0.9, 1.0)
    html = SimGapResult(Noise(), Noise(), ModelStrings(), [row], [], [])._repr_html_()
    assert (
        "<tr><td>CC</td><td>12</td><td>50 (25-75)</td><td>75 (50-90)</td><td>-25 (-50 to +0)</td><td>90 %</td>" in html
    )


def test_importing_the_library_in_ipython_registers_the_renderers():
    code = """
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
import sys, agentcvr_graph
assert not {"jinja2", "pydantic", "agentcvr_graph.report.notebook"} & set(sys.modules), "imported when displayed"
from agentcvr_graph.types import Answer
formatter = shell.display_formatter.formatters["text/html"]
formatter.enabled = True
html = formatter(Answer(kind="number", value=3.0, text="3"))
assert html == "<p><b>3</b> <small>(no citations)</small></p>", html
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_renderer_belongs_to_an_existing_type():
    for module, name in RENDERERS:
        assert isinstance(getattr(importlib.import_module(module), name), type)
