"""Episodes that verifiers' own command runs and that our engine runs, with one sampler, and their comparison.

The sampler reads nothing but the ids of a prompt, so a prompt that differed in one token would give another turn and
another episode. It answers the two protocols that verifiers uses: chat completions for evaluation, and the generate
endpoint of vLLM for training, in which verifiers renders the prompts itself and records ids and masks.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agentcvr_training.config.extensions import load_graph_factory
from agentcvr_training.config.settings import Scripts
from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.episodes import Episode, RolloutRunner, RolloutTask
from agentcvr_training.rollout.policy import PolicyChatModel, seed_of
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.budgets import drawn_share
from agentcvr_graph.scripts.library import ScriptLibrary
from tests.support.stub_endpoint import Reply

ENVIRONMENT = "agentcvr-env"
GRAPH = {"dialect": "json", "abstain": "never", "min_evidence": 0, "max_turns": 4}
SHARES = (0.15, 1.0)
WEIGHTS = {"answer": 1.0, "format": 0.5, "grounding": 0.0, "economy": 0.25, "brier": 0.0}


def scripts_of(each: int) -> dict[str, Any]:
    """Return the settings of the scripts: `each` of two tasks."""
    return {"tasks": ["SPOT", "COST"], "each": each, "difficulty": "easy"}


class PromptTurns:
    """A sampler of random actions as JSON, broken ones among them, that depends on the ids of the prompt alone."""

    def __init__(self, form: ChatFormat) -> None:
        self.form = form

    async def sample(self, call: Call) -> Sampled:
        ids = self.turn(call.prompt_ids)
        return Sampled(ids, [-0.5] * len(ids))

    def release(self, session: str) -> None:
        pass

    def turn(self, prompt_ids: Sequence[int]) -> list[int]:
        digest = hashlib.blake2b(json.dumps(list(prompt_ids)).encode()).hexdigest()
        text = _turn(random.Random(digest))
        return [*self.form.tokenizer.encode(text, add_special_tokens=False), self.form.end_of_turn[0]]

    def reply(self, _: int, body: dict[str, Any]) -> Reply:
        """Answer a call of the chat endpoint, the generate endpoint or the list of models."""
        if "messages" in body:
            prompt = self.form.prompt_ids([message_of(one) for one in body["messages"]], None)
            return Reply(body=json.dumps(self._completion(len(prompt), self.turn(prompt))).encode())
        if "token_ids" not in body:
            return Reply(body=json.dumps({"object": "list", "data": [{"id": "tiny", "object": "model"}]}).encode())
        ids = self.turn(body["token_ids"])
        logprobs = [{"token": f"token_id:{one}", "logprob": -0.5, "bytes": None, "top_logprobs": []} for one in ids]
        choice = {"index": 0, "token_ids": ids, "finish_reason": "stop", "logprobs": {"content": logprobs}}
        return Reply(body=json.dumps({"request_id": "x", "choices": [choice]}).encode())

    def _completion(self, read: int, ids: Sequence[int]) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.form.tokenizer.decode(ids[:-1])}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": read, "completion_tokens": len(ids), "total_tokens": read + len(ids)}
        fixed = {"id": "x", "object": "chat.completion", "created": 0, "model": "tiny"}
        return {**fixed, "choices": choices, "usage": usage}


def _turn(rng: random.Random) -> str:
    video, start_s = rng.randint(1, 4), rng.randint(0, 100)
    window = {"video": video, "start_s": start_s, "end_s": start_s + 20}
    actions = [
        ("observe", {"targets": [{**window, "frames": 4}]}),
        ("listen", window),
        ("answer", {"value": rng.choice("ABC")}),
        ("observe", {"targets": []}),
    ]
    name, arguments = rng.choices(actions, (4, 3, 2, 1))[0]
    return f"I look at {video}. {json.dumps({'action': name, 'arguments': arguments})}"


def message_of(one: dict[str, Any]) -> BaseMessage:
    """Return a message of OpenAI's form."""
    kind: Any = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}[one["role"]]
    return kind(one["content"])


async def own_episodes(turns: PromptTurns, each: int, make_graph: str = "") -> dict[str, Episode]:
    """Return the episodes of our engine, by script.

    Args:
        make_graph: import path of a graph factory; empty for the library's graph.
    """
    scripts = Scripts.model_validate(scripts_of(each)).load()
    tasks = [RolloutTask(script, 0, budget_share=drawn_share(SHARES, seed_of(0, script.id))) for script in scripts]
    policy = PolicyChatModel(engine=turns, form=turns.form, max_length=100_000)
    perception = ScriptedPerception(ScriptLibrary.of(scripts), "fitted")
    context, make = CVRContext.model_validate(GRAPH), load_graph_factory(make_graph)
    runner = RolloutRunner(policy, perception, context, live_graphs=16, make_graph=make)
    return {episode.script.id: episode for episode in await runner.run(tasks)}


def arguments_of(folder: Path, url: str, kind: str, make_graph: str, each: int, tokenizer: Path) -> list[str]:
    """Write a configuration of verifiers' command to a new folder; return the arguments of the command."""
    client = {"type": kind, "base_url": url, "api_key_var": "NO_KEY"}
    if kind == "train":
        client["renderer_model_name"] = str(tokenizer)
    taskset = {
        "id": ENVIRONMENT,
        "scripts": scripts_of(each),
        "graph": GRAPH,
        "noise": "fitted",
        "budget_shares": SHARES,
        "reward": {"weights": WEIGHTS},
    }
    env = {"taskset": taskset, "agent": {"harness": {"id": ENVIRONMENT, "make_graph": make_graph}}}
    folder.mkdir(parents=True)
    path = folder / "eval.json"
    path.write_text(json.dumps({"env": env, "model": "tiny", "client": client, "max_concurrent": 16}))
    return ["@", str(path), "--no-push", "--no-rich", "--output-dir", str(folder)]


def traces_in(folder: Path) -> list[dict[str, Any]]:
    """Return the traces that the command wrote below a folder."""
    (found,) = folder.glob("*/traces.jsonl")
    return [trace for line in found.read_text().splitlines() for trace in json.loads(line)["traces"]]


def comparable(run: Any) -> Any:
    """Return a trajectory without its times and the random ids of calls."""
    if isinstance(run, dict):
        return {key: comparable(value) for key, value in run.items() if key not in ("call_id", "wall_s")}
    return [comparable(value) for value in run] if isinstance(run, list) else run


def check_result(trace: dict[str, Any], episode: Episode) -> None:
    """Answer, turns, costs and rewards are equal."""
    assert not trace.get("errors"), trace["errors"]
    assert comparable(trace["info"]["trajectory"]) == comparable(episode.trajectory.model_dump(mode="json"))
    assert {name: reward["score"] for name, reward in trace["rewards"].items()} == episode.reward
    assert {name: reward["weight"] for name, reward in trace["rewards"].items()} == WEIGHTS
    usage = episode.trajectory.usage
    assert trace["metrics"] == {
        "turns": len(episode.trajectory.turns),
        "frames": usage.frames,
        "seconds": usage.audio_s,
    }


def check_tokens(trace: dict[str, Any], episode: Episode) -> None:
    """Ids and masks of the trace's branches are those of the ledger's rows."""
    branches = list(branches_of(trace["nodes"]))
    assert len(branches) == len(episode.rows)
    for branch, row in zip(branches, episode.rows, strict=True):
        assert [token for node in branch for token in node["token_ids"]] == row.ids
        assert [int(own) for node in branch for own in node["mask"]] == [0] * len(row.prompt_ids) + row.mask


def branches_of(nodes: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the nodes from a root to each leaf of a trace, in the order of the leaves."""
    parents = [node.get("parent", -1) for node in nodes]
    for leaf in sorted(set(range(len(nodes))) - set(parents)):
        path: list[int] = []
        while leaf >= 0:
            path.append(leaf)
            leaf = parents[leaf]
        yield [nodes[n] for n in reversed(path)]


def check_messages(trace: dict[str, Any], episode: Episode, form: ChatFormat) -> None:
    """The trace's messages, written with the template, are the ids of the ledger's row."""
    (row,) = episode.rows
    *before, last = [message_of(node["message"]) for node in trace["nodes"]]
    assert isinstance(last, AIMessage)
    assert [*form.prompt_ids(before, None), *form.turn_ids(last)] == row.ids
