"""A bug in one question of an evaluation: a row of its own kind, a traceback in the log, and the exit status 70."""

from __future__ import annotations

import logging

import httpx
import pytest

from agentcvr_graph import BugError, InfrastructureError, InputError, VideoError
from agentcvr_graph.eval import EvalConfig, scripted_questions
from agentcvr_graph.eval.manifest import make_manifest
from agentcvr_graph.eval.methods import METHODS
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.runner import run
from agentcvr_graph.eval.scoring import EvalTask
from agentcvr_graph.eval.summary import accuracy_table, summarize
from agentcvr_graph.eval.worker import EvalWorker, failed_result
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.utils.engines import LocalEngine
from tests.support.command_line import agentcvr


@pytest.fixture
def scripts(tmp_path):
    path = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 3}), path)
    return path


class Breaking:
    """A method that raises an error for some questions and runs another method for the rest."""

    def __init__(self, error, method=None, only=""):
        self.error, self.method, self.only = error, method, only

    async def ask(self, question):
        if self.method is None or question.id == self.only:
            raise self.error
        return await self.method.ask(question)


class Failing:
    """A method that raises the error of each question."""

    def __init__(self, errors):
        self.errors = errors

    async def ask(self, question):
        raise self.errors[question.id]


def task(scripts):
    return EvalTask(scripted_questions(scripts).questions[0], "agent")


@pytest.mark.parametrize(
    ("error", "outcome", "retryable"),
    [
        (BugError("Broken."), "bug", True),
        (KeyError("x"), "bug", True),
        (AssertionError(), "bug", True),
        (InfrastructureError("busy", transient=True), "infrastructure error", True),
        (InfrastructureError("refused"), "infrastructure error", False),
        (InputError("no video"), "infrastructure error", False),
        (httpx.ConnectError("refused"), "infrastructure error", True),
        (TimeoutError(), "infrastructure error", True),
        (OSError(5, "I/O error"), "infrastructure error", True),
    ],
)
async def test_a_bug_is_told_apart_from_an_infrastructure_error(scripts, caplog, error, outcome, retryable):
    row = (await EvalWorker({"agent": Breaking(error)}, None).run(task(scripts))).row
    assert (row.outcome, row.retryable, row.score, row.value) == (outcome, retryable, 0.0, None)
    assert ("Traceback" in caplog.text and type(error).__name__ in caplog.text) is (outcome == "bug")


async def test_a_traceback_has_no_keys(scripts, caplog, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-1234567890")
    await EvalWorker({"agent": Breaking(KeyError("sk-1234567890"))}, None).run(task(scripts))
    assert "Traceback" in caplog.text and "sk-1234567890" not in caplog.text


async def test_a_run_of_bugs_alone_stops_with_a_bug(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "many.jsonl"
    write_scripts(make_scripts({"CC": 80}), path)
    benchmark, config = scripted_questions(path), EvalConfig()
    engine = LocalEngine(lambda: EvalWorker({"agent": Breaking(BugError("Broken."))}, None))
    with pytest.raises(BugError, match=r"The last \d+ questions all failed: Broken\."):
        await run(benchmark, make_manifest(benchmark, config), RunFolder(tmp_path / "run"), engine, concurrency=4)
    assert 50 <= len(RunFolder(tmp_path / "run").latest()) < 80


def test_what_a_cluster_loses_is_no_bug(scripts):
    lost = failed_result(task(scripts), RuntimeError("The actor died.")).row
    assert lost.outcome == "infrastructure error" and lost.retryable
    assert lost.detail == "The cluster failed: RuntimeError: The actor died."
    assert failed_result(task(scripts), BugError("Broken.")).row.outcome == "bug"


def test_the_command_goes_on_shows_the_bug_and_ends_with_status_70(tmp_path, scripts, monkeypatch, caplog):
    make = METHODS["blind"]
    breaking = lambda resources: Breaking(KeyError("plugin"), make(resources), "cc-000001")  # noqa: E731
    monkeypatch.setitem(METHODS, "blind", breaking)
    command = ["eval", "--scripts", scripts, "--method", "blind", "--out", tmp_path / "run"]
    done = agentcvr(*command)
    assert done.returncode == 70 and "1 question ended in an unexpected error" in done.stderr
    assert "bugs" in done.stdout and "Traceback" in caplog.text and "KeyError: 'plugin'" in caplog.text
    rows = RunFolder(tmp_path / "run").latest()
    assert [row.outcome == "bug" for row in rows.values()].count(True) == 1 and len(rows) == 3
    assert "o-bug" in (tmp_path / "run" / "report.html").read_text()
    monkeypatch.setitem(METHODS, "blind", make)
    done = agentcvr(*command, "--retry-failed")
    assert done.returncode == 0 and "bugs" not in done.stdout


def test_the_command_prints_the_most_frequent_causes_of_failures(tmp_path, scripts, monkeypatch):
    errors = {f"cc-00000{n}": VideoError("a.mp4" if n else "b.mp4", "it cannot be read.") for n in range(3)}
    monkeypatch.setitem(METHODS, "blind", lambda resources: Failing(errors))
    done = agentcvr("eval", "--scripts", scripts, "--method", "blind", "--out", tmp_path / "run")
    lines = done.stderr.splitlines()
    assert lines.index("failed: 2 x a.mp4: it cannot be read.") < lines.index("failed: 1 x b.mp4: it cannot be read.")
    assert "--retry-failed" not in done.stderr


async def test_the_table_counts_bugs_only_where_there_are_some(scripts):
    row = (await EvalWorker({"agent": Breaking(KeyError("x"))}, None).run(task(scripts))).row
    assert accuracy_table(summarize([row], {}))[1][-1] == ["bugs", "", "1"]
    other = row.model_copy(update={"outcome": "wrong"})
    assert accuracy_table(summarize([other], {}))[1][-1] == ["infrastructure errors", "", "0"]
