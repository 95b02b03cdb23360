"""Evaluation runs: every question gets a row whatever fails, and a killed run resumes without loss or duplicates."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from agentcvr_graph import InfrastructureError, InputError, SetupError
from agentcvr_graph.eval import EvalConfig, EvalRun, evaluate_benchmark, scripted_questions
from agentcvr_graph.eval.benchmarks import Benchmark
from agentcvr_graph.eval.manifest import make_manifest
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.runner import MAX_FAILURES_IN_A_ROW, run
from agentcvr_graph.eval.worker import EvalWorker
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Question, Video
from agentcvr_graph.utils.engines import LocalEngine
from tests.support.command_line import START, agentcvr, agentcvr_process
from tests.support.kills import run_in_fresh_process
from tests.support.media_files import counting
from tests.support.stub_endpoint import Reply, StubEndpoint

CHANGES = {"started_at": True, "usage": {"wall_s"}}
"""Fields that differ between two runs of the same questions."""


def questions(count: int, source: str = "a.mp4") -> Benchmark:
    made = [
        Question(
            id=f"q{n}",
            task="even" if n % 2 == 0 else "odd",
            question="Which?",
            videos=(Video(source=source),),
            options=("x", "y"),
            kind="choice",
            key="A",
        )
        for n in range(count)
    ]
    return Benchmark("made", tuple(made))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return counting(tmp_path_factory.mktemp("eval") / "clip.mp4", seconds=2)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scripts") / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 8, "FSA": 8, "PSS": 8}), path)
    return path


def seen(url: str, **more) -> EvalConfig:
    """Return a config for the single-pass method with a stub endpoint as its model."""
    return EvalConfig(methods=("single-pass",), models=ModelStrings(vision=f"{url}#stub"), frames=2, **more)


def standing(path: Path) -> dict[tuple[str, str], dict]:
    return {place: row.model_dump(exclude=CHANGES) for place, row in RunFolder(path).latest().items()}


async def test_a_scripted_run_end_to_end(tmp_path, scripts):
    config = EvalConfig(methods=("agent", "single-pass", "blind"), scripts=str(scripts))
    progress: list[int] = []
    made = await evaluate_benchmark(
        scripted_questions(scripts), config, tmp_path / "run", on_progress=lambda totals: progress.append(totals.done)
    )
    rows = made.rows()
    assert len(rows) == 72 and Counter(row.method for row in rows) == {"agent": 24, "single-pass": 24, "blind": 24}
    assert progress == list(range(73))
    scores = {line.method: line.accuracy.mean for line in made.summary() if line.name == "all"}
    assert scores["agent"] > scores["blind"] + 0.2
    assert all(row.turns == 2 for row in rows if row.method == "single-pass")
    assert all(row.turns == 1 and row.usage.frames == 0 for row in rows if row.method == "blind")
    trajectory = made.folder.trajectory("agent", rows[0].id)
    assert trajectory.answer.value == rows[0].value and len(trajectory.turns) == rows[0].turns
    table = pq.read_table(tmp_path / "run" / "results.parquet").to_pylist()
    assert len(table) == 72 and json.loads(table[0]["value"]) == rows[0].value and "frames" in table[0]
    manifest = EvalRun.read(tmp_path / "run").manifest
    assert (
        manifest.versions["langgraph"] and manifest.config["models"]["master"] == "offline" and manifest.questions == 24
    )


async def test_finished_questions_are_not_run_again_and_methods_can_be_added(tmp_path, scripts):
    benchmark = scripted_questions(scripts)
    await evaluate_benchmark(benchmark, EvalConfig(methods=("blind",), scripts=str(scripts)), tmp_path / "run")
    before = (tmp_path / "run" / "results.jsonl").read_bytes()
    more = EvalConfig(methods=("agent",), scripts=str(scripts))
    made = await evaluate_benchmark(benchmark, more, tmp_path / "run")
    assert made.manifest.methods == ("blind", "agent")
    after = (tmp_path / "run" / "results.jsonl").read_bytes()
    assert after.startswith(before) and after.count(b"\n") == 48
    other = EvalConfig(methods=("agent",), scripts=str(scripts), context=CVRContext(max_turns=3))
    with pytest.raises(InputError, match="another configuration"):
        await evaluate_benchmark(benchmark, other, tmp_path / "run")
    with pytest.raises(InputError, match="fingerprint"):
        await evaluate_benchmark(benchmark.select(["CC"]), more, tmp_path / "run")


@pytest.mark.enable_socket
async def test_every_fault_of_an_endpoint_becomes_a_row(tmp_path, clip):
    """Each question meets another fault. Busy replies are waited for; rows of other transient faults can be retried."""
    faults = {
        0: Reply(),
        1: Reply(status=500, body=b'{"error": {"message": "broken"}}'),
        2: Reply(body=b"<html>garbage</html>"),
        3: Reply(nothing=True),
        4: Reply(half=True),
        5: Reply(delay_s=30),
        6: Reply(text="I cannot tell."),
        7: Reply(status=400, body=b'{"error": {"message": "too many images"}}'),
        8: Reply(text=""),
    }
    mended = False
    busy = Counter()

    def reply(number, body):
        prompt = str(body)
        which = next(n for n in range(10) if f"the {n}th" in prompt)
        if which == 9 and busy["seen"] < 3:
            busy["seen"] += 1
            return Reply(status=429, headers={"Retry-After": "0.05"}, body=b'{"error": {"message": "slow down"}}')
        return Reply() if mended else faults.get(which, Reply())

    made = questions(10, str(clip))
    numbered = tuple(
        question.model_copy(update={"question": f"Is this the {n}th?"}) for n, question in enumerate(made.questions)
    )
    benchmark = Benchmark("faults", numbered)
    with StubEndpoint(reply) as endpoint:
        config = seen(endpoint.url, timeout_s=2.0)
        run_ = await evaluate_benchmark(benchmark, config, tmp_path / "run")
        rows = {row.id: row for row in run_.rows()}
        assert len(rows) == 10
        assert rows["q0"].outcome == "right" and rows["q9"].outcome == "right" and busy["seen"] == 3
        assert rows["q6"].outcome == "unparsable" and not rows["q6"].retryable
        assert rows["q8"].outcome == "unparsable"
        failed = {name: row for name, row in rows.items() if row.outcome == "infrastructure error"}
        assert set(failed) == {"q1", "q2", "q3", "q4", "q5", "q7"}
        assert all(row.score == 0 and row.detail for row in failed.values())
        assert {name for name, row in failed.items() if not row.retryable} == {"q7"}
        (line,) = [line for line in run_.summary() if line.name == "all"]
        assert line.accuracy.mean == 0.2 and line.outcomes["infrastructure error"] == 6 and line.unanswered == 2
        mended = True
        calls = len(endpoint.calls)
        again = await evaluate_benchmark(benchmark, config, tmp_path / "run", retry_failed=True)
        assert len(endpoint.calls) - calls == 5
        rows = {row.id: row for row in again.rows()}
        assert {row.outcome for name, row in rows.items() if name in failed} == {"right", "infrastructure error"}
        assert rows["q1"].attempt == 2


@pytest.mark.enable_socket
async def test_questions_run_concurrently_up_to_the_limit_of_the_endpoint(tmp_path, clip):
    with StubEndpoint(lambda number, body: Reply(delay_s=0.1)) as endpoint:
        config = seen(endpoint.url, per_endpoint=8)
        await evaluate_benchmark(questions(24, str(clip)), config, tmp_path / "run", concurrency=24)
        assert endpoint.most_concurrent == 8


@pytest.mark.enable_socket
async def test_a_refused_key_stops_the_run_and_nothing_is_scored(tmp_path, clip):
    refusing = StubEndpoint(lambda number, body: Reply(status=401, body=b'{"error": {"message": "bad key"}}'))
    with refusing as endpoint, pytest.raises(SetupError, match="refused the API key"):
        await evaluate_benchmark(questions(5, str(clip)), seen(endpoint.url), tmp_path / "run")
    assert RunFolder(tmp_path / "run").latest() == {}


class Failing:
    """A method that always raises an infrastructure error."""

    async def ask(self, question):
        raise InfrastructureError("The server is gone.", transient=True)


async def test_a_run_stops_after_too_many_consecutive_failures(tmp_path):
    benchmark = questions(200)
    config = EvalConfig()
    engine = LocalEngine(lambda: EvalWorker({"agent": Failing()}, None))
    with pytest.raises(InfrastructureError, match=r"all failed: The server is gone\.") as error:
        await run(benchmark, make_manifest(benchmark, config), RunFolder(tmp_path), engine, concurrency=4)
    assert "--retry-failed" in str(error.value)
    assert MAX_FAILURES_IN_A_ROW <= len(RunFolder(tmp_path).latest()) < 200


async def test_unreadable_videos_are_infrastructure_errors(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    made = await evaluate_benchmark(questions(2, str(tmp_path / "a.mp4")), EvalConfig(), tmp_path / "run")
    for row in made.rows():
        assert row.outcome == "infrastructure error" and not row.retryable and "cannot be read as a video" in row.detail


async def test_a_truncated_row_is_run_again_wherever_it_was_cut(tmp_path, scripts):
    benchmark = scripted_questions(scripts).select(["CC"])
    config = EvalConfig(methods=("blind",), scripts=str(scripts))
    whole = await evaluate_benchmark(benchmark, config, tmp_path / "run")
    wanted = standing(tmp_path / "run")
    stored = whole.folder.results.read_bytes()
    start = stored.rstrip(b"\n").rfind(b"\n") + 1
    for cut in random.Random(0).sample(range(start, len(stored)), 8):
        whole.folder.results.write_bytes(stored[:cut])
        await evaluate_benchmark(benchmark, config, tmp_path / "run")
        assert standing(tmp_path / "run") == wanted
        assert whole.folder.results.read_bytes().count(b"\n") == len(wanted)
    whole.folder.results.write_text("not ours")
    with pytest.raises(InputError, match="the last line is not a row of this log"):
        await evaluate_benchmark(benchmark, config, tmp_path / "run")


def arguments_of(scripts: Path) -> list[str]:
    names = ["--method", "agent,blind", "--noise", "fitted", "--concurrency", "4"]
    return ["eval", "--scripts", str(scripts), *names]


def command(scripts: Path, out: Path) -> list[str]:
    return [*START, *arguments_of(scripts), "--out", str(out)]


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


KILLS = """
import json, sys
from pathlib import Path
from agentcvr_graph.cli import app
from tests.support.command_line import run_in_process
from tests.support.kills import kill_before_each_write

whole, killed, *command = sys.argv[1:]

def evaluate(out):
    done = run_in_process(app, *command, "--out", out)
    assert done.returncode == 0, done.stderr

evaluate(whole)
print(json.dumps([kill_before_each_write(lambda: evaluate(killed), Path(killed)) for _ in range(2)]))
"""


def test_a_run_killed_before_each_of_its_writes_gives_the_same_table(tmp_path, scripts):
    """The command is killed from outside once, then before its first write, its second, ... until it finishes.

    A finished run is started again and killed in the same way: it writes its table and report again.
    """
    results = tmp_path / "killed" / "results.jsonl"
    with subprocess.Popen(
        command(scripts, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while count(results) < 3 and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = count(results)
    first, again = run_in_fresh_process(KILLS, tmp_path / "whole", tmp_path / "killed", *arguments_of(scripts))
    for name in ("run.json", "results.jsonl", "trajectories/agent"):
        assert any(name in place for place in first), (name, first)
    for name in ("run.json", "results.par", "report.html"):
        assert any(name in place for place in again), (name, again)
    assert count(results) == 48 >= before  # no row is written twice
    assert standing(tmp_path / "killed") == standing(tmp_path / "whole")
    lines = [EvalRun.read(tmp_path / name).summary() for name in ("killed", "whole")]
    assert [(a.method, a.name, a.accuracy) for a in lines[0]] == [(b.method, b.name, b.accuracy) for b in lines[1]]


def test_a_full_disk_is_a_one_line_error_and_the_run_can_be_resumed(tmp_path, scripts):
    """No file may grow beyond 12 blocks of 1,024 bytes. The results reach this limit in the middle of the run."""
    ask = command(scripts, tmp_path / "run")
    full = subprocess.run(
        ["bash", "-c", 'ulimit -f 12; exec "$@"', "bash", *ask], capture_output=True, text=True, check=False
    )
    assert full.returncode == 2
    assert "cannot be written: File too large. Make room" in " ".join(full.stderr.split())
    assert "Traceback" not in full.stderr
    kept = count(tmp_path / "run" / "results.jsonl")
    assert 0 < kept < 48
    assert agentcvr(*arguments_of(scripts), "--out", tmp_path / "run").returncode == 0
    assert len(standing(tmp_path / "run")) == 48


def test_two_runs_cannot_write_to_the_same_folder(tmp_path, scripts):
    benchmark = scripted_questions(scripts).select(["CC"], 1)
    config = EvalConfig(methods=("blind",), scripts=str(scripts))
    with RunFolder(tmp_path).opened(make_manifest(benchmark, config)):
        process = agentcvr_process(*arguments_of(scripts), "--out", tmp_path)
    assert process.returncode == 2 and "another run is writing it" in " ".join(process.stderr.split())


def test_rows_are_unchanged_after_a_round_trip(tmp_path):
    for value in ("B", ["A", "C"], (1.0, 2.5), 3.0, "2->1", None):
        row = Row(id="a", method="m", task="t", kind="text", outcome="right", score=1.0, value=value)
        assert Row.model_validate_json(row.model_dump_json()) == row
    folder = RunFolder(tmp_path)
    folder.add(Row(id="a/b c?", method="m", task="", kind="text", outcome="wrong", score=0.0), None)
    assert list(folder.latest()) == [("m", "a/b c?")]
    with pytest.raises(InputError, match="There is no run"):
        folder.manifest()
    os.utime(tmp_path)
