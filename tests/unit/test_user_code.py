"""Code of the user's own that fails, on the real graph: errors name the tool, perception or model that has it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langgraph.types import RetryPolicy

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.errors import SetupError
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import ANSWER, LISTEN, OBSERVE

QUESTION: Any = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second"]}
ONCE = RetryPolicy(max_attempts=1)
LOOK = observe((1, 0, 5, 2))


def broken(*given: Any) -> Any:
    raise KeyError("my bug")


async def broken_later(*given: Any) -> Any:
    raise KeyError("my bug")


async def nothing(*given: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"plan": broken}, "the tool 'observe' failed: KeyError: 'my bug'"),
        ({"cost": broken}, "the tool 'observe' failed: KeyError: 'my bug'"),
        ({"run": broken_later}, "the tool 'observe' failed: KeyError: 'my bug'"),
        ({"render": broken}, "the tool 'observe' failed: KeyError: 'my bug'"),
        ({"run": nothing}, "the tool 'observe' failed: AttributeError: 'NoneType' object"),
    ],
)
async def test_a_bug_of_a_tool_is_told_with_its_name_and_the_run_goes_on(step, said):
    tools = [dataclasses.replace(OBSERVE, **step), LISTEN, ANSWER]
    master = FakeMaster(turns=[turn("", LOOK), turn("", answer("A"))])
    output = await create_cvr_graph(master, FakePerception(), tools=tools).compile().ainvoke(QUESTION)
    replies = [one.text for one in policy_messages(output) if isinstance(one, HumanMessage | ToolMessage)]
    assert any(said in reply for reply in replies), replies
    assert not any("the model" in reply for reply in replies[1:])
    assert output["answer"] is not None or output["failure"] is not None


async def test_calls_that_a_bug_of_a_tool_stops_are_no_mistakes_of_the_master():
    """Four turns without a result: three without a usable action would end the run as the master's failure."""
    tools = [dataclasses.replace(OBSERVE, plan=broken), LISTEN, ANSWER]
    master = FakeMaster(turns=[*[turn("", LOOK)] * 4, turn("", answer("A"))])
    graph = create_cvr_graph(master, FakePerception(), tools=tools).compile()
    output = await graph.ainvoke(QUESTION, context=CVRContext(min_evidence=0))
    assert output["failure"] is None
    assert output["answer"] is not None


async def test_a_bug_of_a_perception_is_told_with_the_tool_that_called_it():
    class Broken(FakePerception):
        async def observe(self, *given: Any) -> Any:
            raise ZeroDivisionError("no frames")

    master = FakeMaster(turns=[turn("", LOOK), turn("", answer("A"))])
    output = await create_cvr_graph(master, Broken()).compile().ainvoke(QUESTION)
    assert any("the tool 'observe' failed: ZeroDivisionError: no frames" in one.text for one in policy_messages(output))


async def test_a_perception_that_returns_no_video_is_named():
    class Empty(FakePerception):
        async def probe(self, *given: Any) -> Any:
            return None

    with pytest.raises(SetupError, match="`probe` of Empty returned NoneType for video 1"):
        await create_cvr_graph(FakeMaster(turns=[]), Empty()).compile().ainvoke(QUESTION)


async def test_a_master_that_answers_too_late_is_told_with_the_setting():
    class Late(FakeMaster):
        async def _agenerate(self, *given: Any, **options: Any) -> ChatResult:
            raise TimeoutError

    graph = create_cvr_graph(Late(turns=[]), FakePerception(), retry=ONCE)
    output = await graph.compile().ainvoke(QUESTION)
    assert output["failure"] is not None
    assert "`timeout_s` of `create_cvr_graph`" in output["failure"].message
    assert "the model's own client" in output["failure"].message
    assert "window" not in output["failure"].message


class Passing(FakeMaster):
    """A wrapper that passes `bind_tools` on to a model that has none."""

    def bind_tools(self, *given: Any, **options: Any) -> Any:
        raise NotImplementedError


WRITTEN = [
    AIMessage('{"action": "observe", "arguments": {"targets": [{"video": 1, "start_s": 0, "end_s": 5, "frames": 2}]}}'),
    AIMessage('{"action": "answer", "arguments": {"value": "B"}}'),
]


async def test_a_model_whose_bind_tools_is_not_implemented_writes_json():
    master: BaseChatModel = Passing(turns=WRITTEN)
    output = await create_cvr_graph(master, FakePerception()).compile().ainvoke(QUESTION)
    assert output["answer"] is not None
    assert output["answer"].value == "B"


async def test_tools_that_were_asked_for_by_name_are_an_error_there():
    graph = create_cvr_graph(Passing(turns=WRITTEN), FakePerception()).compile()
    with pytest.raises(SetupError, match="Passing takes no tool calls, which the dialect 'tools' needs"):
        await graph.ainvoke(QUESTION, context=CVRContext(dialect="tools"))
