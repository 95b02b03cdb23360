"""The environment for verifiers, with the real package in an environment of its own, on a local server.

256 episodes of verifiers' own command equal those of our engine: what both read and sample, answers, costs and rewards.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode

from tests.e2e.conftest import REPOSITORY
from tests.support.stub_endpoint import Reply, StubEndpoint
from tests.support.tiny_models import WITHOUT_TOOLS, tokenizer
from tests.support.verifiers_episodes import (
    PromptTurns,
    arguments_of,
    check_messages,
    check_result,
    check_tokens,
    own_episodes,
    traces_in,
)

pytestmark = pytest.mark.enable_socket
EACH = 128
KINDS = ("train", "eval")
GRAPHS = ("", "tests.support.adapter_episodes:parent_graph")
RUNS = list(itertools.product(KINDS, GRAPHS))


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the interpreter of the environment with verifiers; skip the test if there is none."""
    path = Path(os.environ.get("AGENTCVR_VERIFIERS_PYTHON", REPOSITORY / ".venv-verifiers" / "bin" / "python"))
    if not path.is_file():
        pytest.skip(f"no verifiers at {path}; install it with: tests/e2e/install_verifiers.sh .venv-verifiers")
    return path


def run(command: list[str], folder: Path) -> None:
    """Run a program in a folder; fail with the end of its output."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=560, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def turns() -> PromptTurns:
    return PromptTurns(ChatFormat(tokenizer(WITHOUT_TOOLS)))


@pytest.fixture(scope="module")
def traces(python: Path, turns: PromptTurns, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Return the traces of all runs. A process makes one of each kind: its tokenizers live on one event loop."""
    folder = tmp_path_factory.mktemp("verifiers")
    turns.form.tokenizer.save_pretrained(folder / "tokenizer")
    places = {case: folder / str(number) for number, case in enumerate(RUNS)}
    with StubEndpoint(turns.reply, keep=False) as server:
        for graph in GRAPHS:
            commands = [
                arguments_of(places[kind, graph], server.url, kind, graph, EACH, folder / "tokenizer") for kind in KINDS
            ]
            (folder / "commands.json").write_text(json.dumps(commands))
            run([str(python), "-m", "tests.e2e.verifiers_commands", str(folder / "commands.json")], folder)
    return {case: traces_in(place) for case, place in places.items()}


@pytest.fixture(scope="module")
async def episodes(turns: PromptTurns) -> dict[str, Episode]:
    return await own_episodes(turns, EACH)


@pytest.mark.parametrize(("kind", "make_graph"), RUNS)
async def test_256_episodes_equal_those_of_our_engine(traces, turns, episodes, kind, make_graph):
    found = {trace["task"]["key"]: trace for trace in traces[kind, make_graph]}
    assert len(found) == len(traces[kind, make_graph]) == 256
    assert found.keys() == episodes.keys()
    for name, trace in found.items():
        check_result(trace, episodes[name])
        if kind == "train":
            check_tokens(trace, episodes[name])
        else:
            check_messages(trace, episodes[name], turns.form)
    assert len({episode.trajectory.answer.value for episode in episodes.values() if episode.trajectory.answer}) > 2


def command_of_the_page() -> list[str]:
    """Return the arguments of the evaluation that the documentation shows."""
    page = (REPOSITORY / "docs" / "how-to" / "train-elsewhere.md").read_text()
    shown = page.split("vf-eval agentcvr-env")[1].split("\n\n")[0]
    return ["agentcvr-env", *shlex.split(shown.replace("\\\n", " "))]


def test_the_command_of_the_page_reaches_rewards(python, tmp_path):
    """A server that always answers `A` with a tool call, by the command as the page shows it."""
    arguments = command_of_the_page()
    with StubEndpoint(lambda number, body: Reply("", tool=("answer", {"value": "A"}))) as server:
        arguments[arguments.index("--client.base-url") + 1] = server.url
        run([str(python.with_name("vf-eval")), *arguments], tmp_path)
    traces = traces_in(tmp_path / "runs" / "verifiers")
    assert len(traces) == 10 * 4
    assert len({trace["task"]["key"] for trace in traces}) == 10
    assert {trace["rewards"]["answer"]["score"] for trace in traces} <= {0.0, 1.0}
    assert {trace["rewards"]["answer"]["weight"] for trace in traces} == {1.0}
    assert all(trace["metrics"]["turns"] >= 1 for trace in traces)


def test_a_server_that_fails_gives_errors_and_no_rewards(python, tmp_path):
    with StubEndpoint(lambda number, body: Reply(status=500)) as server:
        arguments = ["agentcvr-env", "--client.base-url", server.url, "--client.api-key-var", "NO_KEY"]
        arguments += ["--env.taskset.scripts.tasks", '["CC"]', "--env.taskset.scripts.each", "1"]
        run([str(python.with_name("vf-eval")), *arguments, "--no-push", "--no-rich", "--output-dir", "."], tmp_path)
    (trace,) = traces_in(tmp_path)
    assert "500" in trace["errors"][0]["message"]
    assert not trace.get("rewards")
