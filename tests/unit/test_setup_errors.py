"""Errors of the functions that choose a master and a perception: they end the run, and no model reads them."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from agentcvr_graph import (
    ActionError,
    BugError,
    InfrastructureError,
    InputError,
    ScriptedPerception,
    ScriptLibrary,
    SetupError,
    as_tool,
    create_cvr_graph,
)
from agentcvr_graph.errors import SettingsError
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from agentcvr_graph.tools import OBSERVE, TOOLS

GIVEN = {"question": "Which is red?", "videos": ["a.mp4"], "options": ["the first", "the second"]}
TURNS = [turn("", observe((1, 0, 10, 2))), turn("", answer("A"))]


def failing(error, *, after=0, good=None):
    """Return a function that chooses `good` until it was called `after` times, then raises an error."""
    calls = []

    def choose(context):
        calls.append(context)
        if len(calls) > after:
            raise error
        return good

    return choose


def without_scripts(tmp_path):
    return lambda context: ScriptedPerception(ScriptLibrary(tmp_path))


def test_a_reason_of_another_library_ends_before_the_fix():
    assert str(SetupError("It cannot be loaded: bad size", fix="Copy it.")) == "It cannot be loaded: bad size. Copy it."
    assert str(SetupError("Which one?", fix="Name it.")) == "Which one? Name it."
    assert str(SetupError("no model")) == "no model"


WRONG = [
    (InputError("No script.", fix="Make some."), SettingsError, r"^No script\. Make some\."),
    (ActionError("odd"), SettingsError, "^odd"),
    (SetupError("No key."), SetupError, r"^No key\."),
    (BugError("Broken."), BugError, r"^Broken\."),
    (KeyError("vision"), SetupError, "Choosing the perception failed: KeyError: 'vision'"),
    (ConnectionError("refused"), SetupError, "Choosing the perception failed: ConnectionError: refused"),
]
IDS = [type(error).__name__ for error, *_ in WRONG]


@pytest.mark.parametrize(("error", "kind", "says"), WRONG, ids=IDS)
@pytest.mark.parametrize("after", [0, 1], ids=["in brief", "in an agent"])
async def test_an_error_of_a_perceptions_choice_ends_the_run(error, kind, says, after):
    master = FakeMaster(turns=TURNS)
    graph = create_cvr_graph(master, failing(error, after=after, good=FakePerception())).compile()
    with pytest.raises(kind, match=says):
        await graph.ainvoke(GIVEN)
    assert len(master.seen) == after


@pytest.mark.parametrize(("error", "kind", "says"), WRONG, ids=IDS)
@pytest.mark.parametrize("after", [0, 1], ids=["in brief", "in a turn"])
async def test_an_error_of_a_masters_choice_ends_the_run(error, kind, says, after):
    graph = create_cvr_graph(failing(error, after=after, good=FakeMaster(turns=TURNS)), FakePerception()).compile()
    with pytest.raises(kind, match=says.replace("the perception", "the master")):
        await graph.ainvoke(GIVEN)


async def test_an_infrastructure_error_of_a_choice_is_reported_like_one_of_a_model():
    master = FakeMaster(turns=TURNS)
    lost = failing(InfrastructureError("The archive is gone."), after=1, good=FakePerception())
    output = await create_cvr_graph(master, lost).compile().ainvoke(GIVEN)
    assert "The archive is gone." in master.seen[1][-1].text
    assert output["failure"].boundary == "infrastructure"


async def test_swap_mode_without_scripts_is_an_error_of_the_set_up(tmp_path):
    graph = create_cvr_graph(FakeMaster(turns=TURNS), without_scripts(tmp_path)).compile()
    with pytest.raises(SettingsError, match="script"):
        await graph.ainvoke(GIVEN)


async def test_a_stored_setting_that_a_client_broke_ends_the_run():
    master = FakeMaster(turns=TURNS)
    graph = create_cvr_graph(master, FakePerception())
    app = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["visual_agent"])
    config = {"configurable": {"thread_id": "t"}}
    await app.ainvoke(GIVEN, config)
    await app.aupdate_state(config, {"settings": {"max_frames": "many"}}, as_node="master")
    with pytest.raises(SettingsError, match="'max_frames' cannot be 'many'"):
        await app.ainvoke(None, config)
    assert len(master.seen) == 1


@pytest.mark.parametrize("after", [0, 1], ids=["in brief", "in an agent"])
async def test_an_agent_that_calls_the_tool_is_not_asked_to_correct_the_set_up(after):
    choose = failing(InputError("No script."), after=after, good=FakePerception())
    tool = as_tool(create_cvr_graph(FakeMaster(turns=TURNS), choose).compile())
    app = StateGraph(MessagesState).add_node("tools", ToolNode([tool])).add_edge(START, "tools").compile()
    calls = [{"name": tool.name, "args": GIVEN, "id": "c"}]
    with pytest.raises(SetupError, match="No script"):
        await app.ainvoke({"messages": [AIMessage("", tool_calls=calls)]})


def test_a_settings_error_is_one_of_the_set_up_and_of_the_input():
    assert issubclass(SettingsError, SetupError) and issubclass(SettingsError, InputError)
    assert SettingsError("x").exit_status == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"tools": [*TOOLS, StructuredTool.from_function(len, name="weather", description="x")]},
            r"The tool 'weather' is an object of StructuredTool\. Write it as a `ToolSpec`",
        ),
        ({"tools": [*TOOLS, "zoom"]}, "is an object of str. Write it as"),
        ({"tools": OBSERVE}, r"`tools` is an object of ToolSpec\. Pass a list: \[\*TOOLS, MY_TOOL\]"),
        ({"features": ["zoom"]}, r"`features` is an object of list\. Pass Features\(zoom=True\)"),
        ({"features": "zoom"}, r"`features` is 'zoom'\. Pass Features"),
    ],
)
def test_tools_and_features_of_another_type_are_refused(given, says):
    with pytest.raises(SetupError, match=says):
        create_cvr_graph(FakeMaster(turns=TURNS), FakePerception(), **given)


async def test_a_fake_master_without_turns_left_says_what_it_was_sent():
    graph = create_cvr_graph(FakeMaster(turns=[turn("", observe((1, 50, 90, 2)))]), FakePerception()).compile()
    failure = (await graph.ainvoke(GIVEN))["failure"]
    assert "IndexError: FakeMaster has 1 turns and was called 2 times; it was last sent: seen: " in failure.message
