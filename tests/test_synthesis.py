"""Scripts by a chat model: asked, checked, repaired, kept. Only the model is a fake."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from agentcvr_graph.errors import InputError, WorldError
from agentcvr_graph.scripts.check import check_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import TASKS
from tests.synthetic_author import Author
from training.synthesis import Job, generate, jobs_of
from training.synthesis.writing import ATTEMPTS, Writer

pytestmark = pytest.mark.filterwarnings("ignore:.*with_structured_output.*")


def made_by(author: BaseChatModel, out: Path, count: int = 3, tasks=("CC",), **options: Any):
    return generate(jobs_of(dict.fromkeys(tasks, count), 0), author, out, **options)


def test_ten_tasks_from_one_model(tmp_path):
    out = tmp_path / "written.jsonl"
    made = made_by(Author(), out, 2, TASKS, price_in=1.0, price_out=2.0)
    assert (made.scripts, made.failures, made.usage.calls) == (20, 0, 20)
    assert made.cost == pytest.approx(20 * (100 * 1.0 + 50 * 2.0) / 1e6)
    library = ScriptLibrary(out)
    assert Counter(script.task for script in library) == dict.fromkeys(TASKS, 2)
    for script in library:
        assert check_script(script) == []
        assert script.origin.generator == f"llm/{script.task}"
        assert script.origin.model == "Author"
        assert len({window.video for window in script.evidence}) >= 2


def test_keys_are_asked_for_evenly():
    keys = Counter(Job("CC", seed).key for seed in range(400))
    assert set(keys) == set("ABCD")
    assert all(70 <= count <= 130 for count in keys.values())
    assert len({Job("BU", seed).key for seed in range(400)}) == 15
    assert Job("CC", 7) == Job("CC", 7)
    assert len({(Job("CC", seed).topic, Job("CC", seed).turn) for seed in range(100)}) > 60


def test_a_faulty_script_is_sent_back_with_its_faults(tmp_path):
    author = Author(faults=2)
    made = made_by(author, tmp_path / "x.jsonl", 1)
    assert (made.scripts, made.usage.calls) == (1, 3)
    complaint = author.seen[-1][-1].text
    assert complaint.startswith("That script cannot be used:")
    assert "videos[1].scenes[1]: it ends at 999 s, but the video at" in complaint


def test_a_hopeless_job_is_a_row_and_the_others_go_on(tmp_path):
    out = tmp_path / "x.jsonl"
    made = made_by(Author(hopeless=("cc-llm-000001",)), out, 3)
    assert (made.scripts, made.failures, made.usage.calls) == (2, 1, 5)
    (row,) = [json.loads(line) for line in (tmp_path / "x.failures.jsonl").read_text().splitlines()]
    assert (row["id"], row["seed"], row["calls"], row["output_tokens"]) == ("cc-llm-000001", 1, 3, 150)
    assert "it ends at 999 s" in row["failure"]
    again = made_by(Author(), out, 3)
    assert (again.scripts, again.skipped, again.usage.calls) == (0, 3, 0)
    retried = made_by(Author(), out, 3, retry_failed=True)
    assert (retried.scripts, retried.skipped) == (1, 2)
    assert sorted(ScriptLibrary(out).ids) == ["cc-llm-000000", "cc-llm-000001", "cc-llm-000002"]


def test_what_the_job_asked_for_is_checked(tmp_path):
    author = Author(wrong_key=True)
    made = made_by(author, tmp_path / "x.jsonl", 1)
    assert made.failures == 1
    assert f"answer: {Job('CC', 0).key} must be right, not" in (tmp_path / "x.failures.jsonl").read_text()


def test_near_duplicates_are_redrawn_and_then_reported(tmp_path):
    made = made_by(Author(same_story=True), tmp_path / "x.jsonl", 3, concurrency=1)
    assert (made.scripts, made.failures) == (1, 2)
    assert made.duplicates == 6  # three attempts at each of two jobs
    assert "near-duplicate of cc-llm-000000, 3 times" in (tmp_path / "x.failures.jsonl").read_text()
    different = made_by(Author(), tmp_path / "y.jsonl", 20)
    assert (different.scripts, different.duplicates) == (20, 0)


def test_replies_in_plain_text(tmp_path):
    """A model without structured output is told the schema and writes JSON into its reply."""
    author = Author(plain=True)
    made = made_by(author, tmp_path / "x.jsonl", 2)
    assert made.scripts == 2
    assert '"scoring_points"' in author.seen[0][1].text
    rambling = made_by(Author(plain=True, silent=True), tmp_path / "y.jsonl", 1)
    assert rambling.failures == 1
    assert "the reply holds no JSON object" in (tmp_path / "y.failures.jsonl").read_text()


async def test_a_busy_server_is_asked_again(monkeypatch):
    monkeypatch.setattr("training.synthesis.writing.wait_random_exponential", lambda **_: lambda _: 0)
    busy = Author(raises=[WorldError("429", transient=True)] * (ATTEMPTS - 1))
    assert (await Writer(busy, "m").write(Job("CC", 0))).script is not None
    down = Author(raises=[WorldError("429", transient=True)] * ATTEMPTS)
    assert (await Writer(down, "m").write(Job("CC", 0))).failure == "WorldError: 429"
    broken = Author(raises=[ValueError("no such model")])
    written = await Writer(broken, "m").write(Job("CC", 0))
    assert (written.script, written.failure) == (None, "ValueError: no such model")


def test_no_more_calls_at_once_than_allowed(tmp_path):
    author = Author(delay_s=0.02)
    made_by(author, tmp_path / "x.jsonl", 12, concurrency=3)
    assert author.most_at_once == 3


def test_a_torn_last_line_is_cut_and_done_again(tmp_path):
    out = tmp_path / "x.jsonl"
    made_by(Author(), out, 3)
    whole = out.read_bytes()
    out.write_bytes(whole[:-40])
    again = made_by(Author(), out, 3)
    assert (again.scripts, again.skipped) == (1, 2)
    assert sorted(out.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_file_of_something_else_is_left_alone(tmp_path):
    out = tmp_path / "x.jsonl"
    out.write_text("my notes\n")
    with pytest.raises(InputError, match=r"x\.jsonl:1: "):
        made_by(Author(), out)
    assert out.read_text() == "my notes\n"
    with pytest.raises(InputError, match=r"Unknown engine 'moon'\. Choose one of: local, ray"):
        made_by(Author(), tmp_path / "y.jsonl", engine="moon")


CHILD = """
import sys
from pathlib import Path
from training.synthesis import generate, jobs_of
from tests.synthetic_author import Author
generate(jobs_of({"CC": 25, "PSS": 15}, 0), Author(delay_s=0.01), Path(sys.argv[1]), concurrency=4)
"""


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path):
    undisturbed, out = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    generate(jobs_of({"CC": 25, "PSS": 15}, 0), Author(), undisturbed)
    rng = random.Random(3)
    kills = 0
    for _ in range(40):
        child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", CHILD, str(out)], cwd=Path(__file__).parents[1])
        started = out.stat().st_size if out.exists() else 0
        until = time.monotonic() + 30
        while child.poll() is None and time.monotonic() < until:
            time.sleep(rng.uniform(0.01, 0.05))
            if out.exists() and out.stat().st_size > started and kills < 6:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
                break
        if child.wait() == 0:
            break
    assert kills == 6
    assert sorted(out.read_text().splitlines()) == sorted(undisturbed.read_text().splitlines())


@pytest.mark.integration
@pytest.mark.enable_socket
@pytest.mark.timeout(200)
@pytest.mark.filterwarnings("ignore")  # Ray's own deprecations
def test_ray_makes_the_same_scripts(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        here, there = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
        made_by(Author(), here, 10, ("CC", "FSA"))
        made = made_by(Author(), there, 10, ("CC", "FSA"), engine="ray")
        assert made.scripts == 20
        assert sorted(there.read_text().splitlines()) == sorted(here.read_text().splitlines())
    finally:
        ray.shutdown()
