"""The evaluation report in a real browser: filters work, rows link to evidence, nothing is fetched or executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph.eval import EvalConfig, EvalRun
from agentcvr_graph.eval.benchmarks.crossvid import AVERAGES
from agentcvr_graph.eval.manifest import RunManifest
from agentcvr_graph.eval.report import write_run_report
from agentcvr_graph.eval.report.leaderboard import COLUMNS, CROSSVID
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.types import Usage
from tests.support.report_samples import NASTY, usual

pytestmark = pytest.mark.enable_socket


def made(path: Path, count: int = 12, *, nasty: bool = False) -> EvalRun:
    """Make a run of two methods on two tasks in which the first answer of the agent has a trajectory."""
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    config = EvalConfig(methods=("agent", "blind"))
    manifest = RunManifest(
        **{"benchmark": "crossvid", "fingerprint": "f", "questions": count, "averages": AVERAGES},
        tasks=("CC", "FSA"),
        config={**config.__dict__, "context": config.context.__dict__},
        command=NASTY if nasty else "agentcvr eval",
    )
    folder.manifest_path.write_text(manifest.model_dump_json())
    for n in range(count):
        for method in config.methods:
            right = n % 3 == 0 and method == "agent"
            failed = n % 4 == 1 and method == "blind"
            folder.add(
                Row(
                    **{"id": f"q{n}", "method": method, "task": ("CC", "FSA")[n % 2], "kind": "text"},
                    outcome="right" if right else "infrastructure error" if failed else "wrong",
                    score=float(right),
                    value=None if failed else (NASTY if nasty else "an answer"),
                    key=NASTY if nasty else "a key",
                    detail=NASTY if nasty else "the server is gone" if failed else "",
                    turns=1 + n % 3,
                    usage=Usage(frames=n, input_tokens=10 * n),
                ),
                usual() if n == 0 and method == "agent" else None,
            )
    return EvalRun.read(path)


def test_rows_can_be_filtered_and_link_to_the_evidence(page, tmp_path):
    page.goto(write_run_report(made(tmp_path / "run"), pictures=False).as_uri())
    assert page.locator("#answers tbody tr").count() == 24
    page.select_option("#by-method", "agent")
    page.select_option("#by-outcome", "right")
    assert page.locator("#answers tbody tr").count() == 4
    assert page.locator("#count").inner_text() == "4 of 24 answers, mean score 1.00"
    page.select_option("#by-outcome", "")
    page.select_option("#by-method", "")
    page.fill("#search", "server")
    assert page.locator("#answers tbody tr").count() == 3
    page.fill("#search", "")
    page.locator("#answers a").click()
    assert page.url.endswith("/questions/agent/q0.html")
    assert "cooking" in page.content()


def test_the_tables_show_the_scores(page, tmp_path):
    page.goto(write_run_report(made(tmp_path / "run"), pictures=False).as_uri())
    first = page.locator("#tasks tr").nth(1).inner_text().split()
    assert first[:3] == ["CC", "6", "33.3"]
    names = page.locator("#tasks td:first-child").all_inner_texts()
    assert names == ["CC", "FSA", "C", "T", "O"]
    published = page.locator("#published tr").all_inner_texts()
    assert "human" in published[1] and any("agent (this run)" in line for line in published)
    assert any(line.startswith("Gemini-2.5-Pro") and "50.4" in line for line in published)
    assert page.locator(".stack i").count() == 4 and page.locator(".plot svg").count() == 1
    assert page.evaluate("getComputedStyle(document.querySelector('.legend .o-wrong')).backgroundColor") == (
        "rgb(179, 50, 43)"
    )


def test_text_from_questions_and_models_is_escaped(page, tmp_path):
    page.goto(write_run_report(made(tmp_path / "run", nasty=True), pictures=False).as_uri())
    assert page.evaluate("window.hacked") is None
    assert page.locator("#answers tbody tr").count() == 24
    assert NASTY in page.locator("#answers td.words").nth(1).inner_text()


def test_long_tables_start_with_a_hundred_rows(page, tmp_path):
    page.goto(write_run_report(made(tmp_path / "run", 700), pictures=False).as_uri())
    assert page.locator("#answers tbody tr").count() == 100
    page.locator("#more").click()
    assert page.locator("#answers tbody tr").count() == 600
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_published_results_are_complete_and_consistent():
    assert all(len(line.scores) == len(COLUMNS) for line in CROSSVID)
    assert [line.scores[0] for line in CROSSVID] == sorted((line.scores[0] for line in CROSSVID), reverse=True)
    best = CROSSVID[1]
    comparative, temporal, views, judged = best.scores[1:]
    assert (4 * comparative + 3 * temporal + 2 * views + judged) / 10 == pytest.approx(best.scores[0], abs=0.1)
