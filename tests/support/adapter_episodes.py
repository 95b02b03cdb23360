"""Episodes that adapters to other engines are compared on: scripts, a sampler of random turns, and a parent graph.

Runs in the tests' own environment and in those of the engines, so it imports nothing that only tests install.
"""

from __future__ import annotations

import random
from typing import Any

from agentcvr_training.inference.base import Call, Sampled
from agentcvr_training.rollout.chat_format import ChatFormat
from agentcvr_training.rollout.ledger import Row
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph

from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.graph.state import CVRState
from agentcvr_graph.scripts.generators.procedural import LEVELS, make_scripts
from agentcvr_graph.scripts.schema import Script

CONFIG = """\
output: runs/adapter
model: {{path: {model}}}
scripts: {{tasks: [SPOT, COST], each: 2}}
graph: {{max_turns: 4, min_evidence: 0}}
rollout: {{max_new_tokens: 400, max_length: 60000, noise: fitted, budget_shares: [0.15, 1.0]}}
"""


def scripts(count: int) -> list[Script]:
    """Return easy scripts of two kinds."""
    each = {"SPOT": count // 2, "COST": count - count // 2}
    return list(make_scripts(each, 0, LEVELS["easy"]))


class RandomTurns:
    """A sampler of random calls, broken ones among them, that depends on the seed of a turn alone.

    Turns are encoded in pieces of random length, as no tokenizer would encode them; some lack their end token.
    """

    def __init__(self, form: ChatFormat) -> None:
        self._form = form

    async def sample(self, call: Call) -> Sampled:
        rng = random.Random(call.seed)
        ids = self._in_pieces(rng, _turn(rng))
        if rng.random() < 0.9:
            ids.append(self._form.end_of_turn[0])
        return Sampled(ids, [-rng.random() for _ in ids])

    def _in_pieces(self, rng: random.Random, text: str) -> list[int]:
        ids: list[int] = []
        while text:
            length = rng.randint(1, 6)
            ids += self._form.tokenizer.encode(text[:length], add_special_tokens=False)
            text = text[length:]
        return ids

    def release(self, session: str) -> None:
        pass


def _turn(rng: random.Random) -> str:
    video, start_s = rng.randint(1, 4), rng.randint(0, 100)
    calls = [
        f'{{"name": "observe", "arguments": {{"targets": [{{"video": {video}, "start_s": {start_s}, '
        f'"end_s": {start_s + 20}, "frames": 4}}]}}}}',
        f'{{"name": "listen", "arguments": {{"video": {video}, "start_s": {start_s}, "end_s": {start_s + 9}}}}}',
        f'{{"name": "answer", "arguments": {{"value": "{rng.choice("ABC")}"}}}}',
        '{"name": "observe", "arguments": {"targets": []}}',
    ]
    call = rng.choices(calls, (4, 3, 2, 1))[0]
    return f"I look at {video}.<tool_call>\n{call}\n</tool_call>"


def parent_graph(policy: Any, perception: Any, tools: Any) -> Any:
    """Return a graph of an application that has the library's graph as a node."""
    builder = _with_videos(policy, perception, tools)
    builder.add_edge(START, "videos")
    return builder


def planning_graph(policy: Any, perception: Any, tools: Any) -> Any:
    """Return a parent graph whose first node asks the policy twice, in conversations of their own: three rows."""

    async def plan(state: CVRState) -> dict[str, Any]:
        for request in ("Which video first?", "Which sense first?"):
            await policy.ainvoke([HumanMessage(request)])
        return {}

    builder = _with_videos(policy, perception, tools)
    builder.add_node("plan", plan)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "videos")
    return builder


def _with_videos(policy: Any, perception: Any, tools: Any) -> Any:
    """Return a graph that ends with the library's graph as the node `videos`."""
    builder: Any = StateGraph(CVRState, context_schema=CVRContext)
    builder.add_node("videos", create_cvr_graph(policy, perception, tools=tools).compile())
    builder.add_edge("videos", END)
    return builder


def plain(row: Row) -> tuple[list[int], list[int], list[int], list[float]]:
    """Return what two rows have to share."""
    return row.prompt_ids, row.completion_ids, row.mask, row.logprobs
