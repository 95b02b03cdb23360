"""Features of the master's tools: off by default, turned on by an object or by name."""

from __future__ import annotations

import pytest

from agentcvr_graph import CVRInput, InputError, create_cvr_graph
from agentcvr_graph.graph.builder import dependencies_of
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import ANSWER, TOOLS, Features, Toolset
from agentcvr_graph.tools.features import BY_NAME, read_features

ASKED: CVRInput = {"question": "Which?", "videos": ["a.mp4"], "options": ["x", "y"]}


def fields_of_answer(tools: Toolset) -> set[str]:
    return set(tools["answer"].schema["function"]["parameters"]["properties"])


def test_without_features_the_tools_are_the_same_objects():
    assert all(one is other for one, other in zip(Features().apply(TOOLS), TOOLS, strict=True))


def test_a_feature_adds_its_field_and_leaves_the_library_tools_alone():
    tools = Toolset(Features(confidence=True).apply(TOOLS))
    assert fields_of_answer(tools) == {"value", "rationale", "citations", "confidence"}
    assert fields_of_answer(TOOLS) == {"value", "rationale", "citations"}
    assert "confidence" not in ANSWER.schema["function"]["parameters"]["properties"]


def test_features_are_named():
    assert read_features(" confidence , ", "--features") == Features(confidence=True)
    assert read_features("", "--features") == Features()


def test_an_unknown_feature_is_one_line_with_the_known_ones():
    with pytest.raises(InputError, match=r"--features: there is no feature 'zom'\. Choose from: .*confidence"):
        read_features("confidence,zom", "--features")


@pytest.mark.parametrize(("stated", "kept"), [(0.25, 0.25), (None, None), (1, 1.0)])
async def test_the_stated_confidence_is_kept_with_the_answer(stated: float | None, kept: float | None):
    done = answer("A")
    done["args"]["confidence"] = stated
    master = FakeMaster(turns=[turn("", observe((1, 0, 9, 1))), turn("", done)])
    graph = create_cvr_graph(master, FakePerception(), features=Features(confidence=True)).compile()
    output = await graph.ainvoke(ASKED)
    assert output["answer"] is not None
    assert output["answer"].confidence == kept


async def test_a_graph_without_the_feature_ignores_a_confidence():
    done = answer("A")
    done["args"]["confidence"] = 0.5
    graph = create_cvr_graph(FakeMaster(turns=[turn("", observe((1, 0, 9, 1))), turn("", done)]), FakePerception())
    output = await graph.compile().ainvoke(ASKED)
    assert output["answer"] is not None
    assert output["answer"].confidence is None


def test_every_named_feature_can_be_turned_on_with_all_the_others():
    graph = create_cvr_graph(FakeMaster(turns=[]), FakePerception(), features=read_features(",".join(BY_NAME), ""))
    assert dependencies_of(graph.compile()).tools.ending == ("answer",)
