"""The environment for verifiers, with the real package in an environment of its own, on a local server.

256 episodes of verifiers' own command equal those of our engine: what both read and sample, answers, costs and rewards.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
from collections.abc import Sequence
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
PLANNING = "tests.support.adapter_episodes:planning_graph"
EACH = {"": 128, "tests.support.adapter_episodes:parent_graph": 128}
"""Scripts of each of the two tasks, for the graph and for a parent graph that has it as a subgraph."""


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the interpreter of the environment with verifiers; skip the test if there is none."""
    path = Path(os.environ.get("AGENTCVR_VERIFIERS_PYTHON", REPOSITORY / ".venv-verifiers" / "bin" / "python"))
    if not path.is_file():
        pytest.skip(f"no verifiers at {path}; install it with: tests/e2e/install_verifiers.sh .venv-verifiers")
    return path


def run(command: list[str], folder: Path) -> None:
    """Run a program in a folder; fail with the end of its output."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'training'}", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=560, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def turns() -> PromptTurns:
    return PromptTurns(ChatFormat(tokenizer(WITHOUT_TOOLS)))


@pytest.fixture(scope="module", params=list(EACH), ids=["graph", "subgraph"])
def traces(
    request: pytest.FixtureRequest, python: Path, turns: PromptTurns, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """Return the traces of a graph, by kind."""
    return traces_of(request.param, EACH[request.param], python, turns, tmp_path_factory.mktemp("verifiers"))


def traces_of(
    graph: str, each: int, python: Path, turns: PromptTurns, folder: Path, kinds: Sequence[str] = ("train", "eval")
) -> dict[str, list[dict[str, Any]]]:
    """Run a graph in verifiers; return its traces, by kind. One process: its tokenizers live on one event loop."""
    turns.form.tokenizer.save_pretrained(folder / "tokenizer")
    with StubEndpoint(turns.reply, keep=False) as server:
        commands = [arguments_of(folder / kind, server.url, kind, graph, each, folder / "tokenizer") for kind in kinds]
        (folder / "commands.json").write_text(json.dumps(commands))
        run([str(python), "-m", "tests.e2e.verifiers_commands", str(folder / "commands.json")], folder)
    return {kind: traces_in(folder / kind) for kind in kinds}


@pytest.fixture(scope="module")
def episodes(turns: PromptTurns) -> dict[str, Episode]:
    """Return the episodes of our engine, by script."""
    return asyncio.run(own_episodes(turns, max(EACH.values())))


def test_train_episodes_have_the_ids_masks_and_rewards_of_our_engine(traces, episodes):
    for trace in matched(traces["train"], episodes):
        check_result(trace, episodes[trace["task"]["key"]])
        check_tokens(trace, episodes[trace["task"]["key"]])


def test_an_episode_of_several_conversations_has_the_rows_of_our_engine(python, turns, tmp_path):
    """The policy is asked in two more conversations before the graph runs."""
    traces = traces_of(PLANNING, 8, python, turns, tmp_path, ["train"])["train"]
    episodes = asyncio.run(own_episodes(turns, 8, PLANNING))
    assert len(traces) == len(episodes) == 16
    for trace in traces:
        assert len(episodes[trace["task"]["key"]].rows) == 3
        check_tokens(trace, episodes[trace["task"]["key"]])
        check_result(trace, episodes[trace["task"]["key"]])


def test_eval_episodes_have_the_messages_and_rewards_of_our_engine(traces, turns, episodes):
    for trace in matched(traces["eval"], episodes):
        check_result(trace, episodes[trace["task"]["key"]])
        check_messages(trace, episodes[trace["task"]["key"]], turns.form)


def matched(traces: list[dict[str, Any]], episodes: dict[str, Episode]) -> list[dict[str, Any]]:
    """Return the traces, after a check that there is one for each of many scripts, with different answers."""
    names = {trace["task"]["key"] for trace in traces}
    assert len(names) == len(traces) == 256
    answers = [episodes[name].trajectory.answer for name in names]
    assert len({answer.value for answer in answers if answer is not None}) > 2
    return traces


def run_the_page(python: Path, folder: Path, url: str, *options: str) -> list[dict[str, Any]]:
    """Run the evaluation as the documentation shows it, on another server; return its traces."""
    page = (REPOSITORY / "docs" / "how-to" / "train-elsewhere.md").read_text()
    settings = page.split("```toml\n")[1].split("```")[0]
    (folder / "eval.toml").write_text(settings.replace("http://127.0.0.1:8000/v1", url))
    command = shlex.split(page.split(".venv-verifiers/bin/vf-eval")[1].split("\n")[0])
    run([str(python.with_name("vf-eval")), *command, *options], folder)
    return traces_in(folder / "runs" / "verifiers")


def test_the_command_of_the_page_reaches_rewards(python, tmp_path):
    """The server always answers `A` with a tool call."""
    with StubEndpoint(lambda number, body: Reply("", tool=("answer", {"value": "A"}))) as server:
        traces = run_the_page(python, tmp_path, server.url)
    assert len(traces) == 10 * 4
    assert len({trace["task"]["key"] for trace in traces}) == 10
    assert {trace["rewards"]["answer"]["weight"] for trace in traces} == {1.0}
    assert {trace["rewards"]["answer"]["score"] for trace in traces} <= {0.0, 1.0}
    assert all(trace["metrics"]["turns"] >= 1 for trace in traces)


REFUSED = {
    "noise": ({"noise": "ftted"}, "There is no noise 'ftted'. Use off, clear, mild, fitted"),
    "features": ({"features": ["confidnce"]}, "there is no feature 'confidnce'. Choose from: abstain, confidence"),
    "graph": ({"graph": {"max_turn": 4}}, "There is no setting 'max_turn'. Did you mean 'max_turns'?"),
    "dialect": ({"graph": {"dialect": "schema"}}, "dialect='schema' is for inference"),
    "shares": ({"budget_shares": [0.9, 0.2]}, "two shares, the smaller one first"),
    "no library": ({"scripts": {"library": "none.jsonl"}}, "none.jsonl: no such file or folder."),
    "no scripts": ({"scripts": {"tasks": ["SPOT"]}}, "The configuration names no scripts."),
    "preset": ({"reward": {"preset": "foo"}}, "'default', 'paper', 'answer' or 'calibrated'"),
}


def test_a_wrong_setting_ends_the_command_before_the_first_rollout(python, tmp_path):
    with StubEndpoint(lambda number, body: Reply()) as server:
        outcomes = outcomes_of(python, tmp_path, {name: one for name, (one, _) in REFUSED.items()}, {}, server.url)
        assert server.calls == []
    for name, (_, message) in REFUSED.items():
        assert outcomes[name]["exit"] == 1
        assert message in outcomes[name]["printed"], name


def test_a_timeout_is_an_error_and_a_limit_of_turns_a_reward_of_zero(python, tmp_path):
    """The server never answers within the time of a rollout: that is no wrong answer."""
    agents = {"timeout": {"timeout": {"rollout": 0.2}}, "turns": {"max_turns": 2}}

    def reply(number: int, body: dict[str, Any]) -> Reply:
        return Reply("", tool=("answer", {"value": "A"}), delay_s=60 if body["model"] == "timeout" else 0)

    with StubEndpoint(reply) as server:
        outcomes_of(python, tmp_path, {}, agents, server.url)
    (late,), (limited,) = (traces_in(tmp_path / name) for name in agents)
    assert (late["ok"], late["rewards"]) == (False, {})
    assert "The rollout was stopped (agent_timeout)" in late["errors"][0]["message"]
    assert (limited["ok"], limited["stop_condition"], limited["metrics"]["turns"]) == (True, "max_turns", 2)
    assert {reward["score"] for reward in limited["rewards"].values()} == {0.0}


def outcomes_of(
    python: Path, folder: Path, tasksets: dict[str, Any], agents: dict[str, Any], url: str
) -> dict[str, dict[str, Any]]:
    """Run the command once for each taskset and each agent, in one process; return how each ended, by name."""
    commands: dict[str, list[str]] = {}
    for name in (*tasksets, *agents):
        taskset = {"id": "agentcvr-env", "scripts": {"tasks": ["SPOT"], "each": 1}, **tasksets.get(name, {})}
        env = {"taskset": taskset, "agent": {"harness": {"id": "agentcvr-env"}, **agents.get(name, {})}}
        path = folder / f"{name}.json"
        path.write_text(json.dumps({"env": env, "model": name, "client": {"base_url": url, "api_key_var": "NO_KEY"}}))
        commands[name] = ["@", str(path), "--no-push", "--no-rich", "--output-dir", str(folder / name)]
    (folder / "commands.json").write_text(json.dumps(list(commands.values())))
    run([str(python), "-m", "tests.e2e.verifiers_commands", str(folder / "commands.json"), "outcomes.json"], folder)
    return dict(zip(commands, json.loads((folder / "outcomes.json").read_text()), strict=True))


def test_a_server_that_fails_gives_errors_and_no_rewards(python, tmp_path):
    with StubEndpoint(lambda number, body: Reply(status=500)) as server:
        traces = run_the_page(python, tmp_path, server.url, "--select.limit", "1", "--num-rollouts", "1")
    (trace,) = traces
    assert "500" in trace["errors"][0]["message"]
    assert not trace["ok"]
