"""A mask makes any logits write a turn that the planner accepts, and nothing after it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph.action_schema import TurnBounds, turn_schema
from agentcvr_graph.graph.dialects import choose_dialect, read_calls
from agentcvr_graph.graph.nodes.master import plan_turn
from agentcvr_graph.models.adapters.grammar import Grammars
from agentcvr_graph.models.clients.ignored import check_tools
from agentcvr_graph.models.providers.tiny import TINY
from agentcvr_graph.testing import FakePerception
from agentcvr_graph.tools import TOOLS, Budget
from agentcvr_graph.types import Question, Video, VideoInfo

VIDEO = VideoInfo(number=1, video=Video(source="a.mp4"), duration_s=60.0, fps=25.0, has_sound=True)
QUESTION = Question(question="Which?", videos=(VIDEO.video,), options=("red", "blue"), kind="choice")
BUDGET = Budget(turns=9, frames=10_000, frames_per_call=10_000, audio_s=1e6)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    loaded: Any = AutoTokenizer
    return loaded.from_pretrained(TINY)


@pytest.mark.parametrize("seed", range(4))
def test_random_logits_write_calls_that_the_planner_accepts(tokenizer: Any, seed: int) -> None:
    size = len(tokenizer) + 3
    process = Grammars(tokenizer, size).processor(
        turn_schema(TOOLS, TurnBounds(QUESTION, [VIDEO], may_answer=False)), 2
    )
    random, ids = torch.Generator().manual_seed(seed), torch.tensor([[0, 0]])
    while (token := int(process(ids, torch.randn(1, size, generator=random)).argmax())) != tokenizer.eos_token_id:
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
        assert ids.shape[1] < 4000
    written = tokenizer.decode(ids[0, 2:])
    assert json.loads(written)["actions"]
    plan = plan_turn(read_calls(AIMessage(written), 1), [VIDEO], BUDGET, TOOLS, 1)
    assert plan.assignments and not plan.refusals


def test_a_schema_that_the_library_cannot_follow_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(SetupError, match="The schema cannot be used: "):
        Grammars(tokenizer, len(tokenizer)).processor({"type": "string", "pattern": "(?=a)"}, 0)


async def test_a_model_in_process_acts_in_a_schema_only_where_it_is_asked_to() -> None:
    model: Any = resolve_chat_model(f"transformers:{TINY}")
    assert choose_dialect(model, "auto") == "tools" and choose_dialect(model, "schema") == "schema"
    assert await check_tools(model, AIMessage("I look."), acts=False) is None
    reply = await model.bind(json_schema={"const": {"a": [1, 2]}}).ainvoke([HumanMessage("?")])
    assert reply.text == '{"a": [1, 2]}'


async def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    graph = create_cvr_graph(resolve_chat_model("tiny"), FakePerception()).compile()
    with pytest.raises(SetupError, match=r"agentcvr-graph\[grammar\]"):
        await graph.ainvoke({"question": "Which?", "videos": ["a"]}, context=CVRContext(dialect="schema"))
