"""What an agent writes to the tool never raises: it becomes an error that the agent can act on.

The tool runs in LangGraph's `ToolNode` and in LangChain's `create_agent`, with other calls beside it.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given as given_values
from hypothesis import settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from agentcvr_graph import (
    BugError,
    CVRContext,
    InfrastructureError,
    SetupError,
    Trajectory,
    VideoError,
    as_tool,
    create_cvr_graph,
)
from agentcvr_graph.graph.as_tool import CORRECT
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn

GOOD = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
ANSWERED = "Answer: the first"


class SomeFiles(FakePerception):
    """A perception that knows `a.mp4` and `b.mp4` only, as a folder does."""

    async def probe(self, video, number):
        if video.source not in ("a.mp4", "b.mp4"):
            raise VideoError(video.source, "no such file or folder.", fix="Check the path.")
        return await super().probe(video, number)


def look_then_answer(messages):
    if not isinstance(messages[-1], ToolMessage):
        return turn("", observe((1, 0, 10, 2)))
    return turn("", answer("A" if "Options" in messages[1].text else "red"))


def tool(perception=None, turns=None, **options):
    master = FakeMaster(turns=turns or [look_then_answer] * 200)
    context = CVRContext(min_evidence=0)
    return as_tool(create_cvr_graph(master, perception or SomeFiles()).compile(), context=context, **options)


def calls(*arguments):
    return AIMessage(
        "", tool_calls=[{"name": "ask_videos", "args": args, "id": f"c{n}"} for n, args in enumerate(arguments)]
    )


async def replies(message, used=None):
    """Return the replies of a `ToolNode` to one message, by call id."""
    graph = StateGraph(MessagesState).add_node("tools", ToolNode([used or tool()])).add_edge(START, "tools").compile()
    output = await graph.ainvoke({"messages": [message]})
    return {reply.tool_call_id: reply for reply in output["messages"][1:]}


BAD = {
    "a path it made up": ({"videos": ["a.mp4", "clips/nope.mp4"]}, "clips/nope.mp4: no such file or folder."),
    "several made up paths": ({"videos": ["x.mp4", "y.mp4"]}, "y.mp4: no such file or folder. Check the path."),
    "an empty path": ({"videos": [""]}, "A video has an empty name."),
    "no video": ({"videos": []}, "`videos`: List should have at least 1 item"),
    "null videos": ({"videos": None}, "`videos`: Input should be a valid list."),
    "a number as videos": ({"videos": 5}, "`videos`: Input should be a valid list."),
    "a dictionary as videos": ({"videos": {"url": "a.mp4"}}, "`videos`: Input should be a valid list."),
    "a video that is no text": ({"videos": ["a.mp4", 7]}, "`videos.1`: Input should be a valid string."),
    "too many videos": (
        {"videos": ["a.mp4"] * 10_001},
        "10,001 videos are too many. Name at most 10,000, or their folder.",
    ),
    "a NUL in a path": ({"videos": ["a\x00.mp4"]}, "it lies outside the folders that may be read."),
    "a path too long for a file system": ({"videos": ["a" * 5000]}, "no such file or folder."),
    "a sentence as a video": ({"videos": ["the video about salt"]}, "the video about salt: no such file or folder."),
    "one option": ({"options": ["red"]}, "A question of kind 'choice' needs at least 2 options, and has 1."),
    "an empty option": ({"options": ["red", " "]}, "An option is empty. Give every option a text."),
    "too many options": ({"options": [str(n) for n in range(40)]}, "40 options are more than there are letters."),
    "options in a text": ({"options": "red, blue"}, "`options` is the text 'red, blue'"),
    "options without order": ({"options": {"x": "red", "y": "blue"}}, "`options` has the keys ['x', 'y']"),
    "a kind without options": (
        {"kind": "choice", "options": []},
        "A question of kind 'choice' needs at least 2 options",
    ),
    "choices without options": ({"kind": "choices", "options": []}, "kind 'choices' needs at least 2 options"),
    "an unknown kind": ({"kind": "essay"}, "unknown answer kind 'essay'; choose one of: choice, choices"),
    "a kind that is no text": ({"kind": ["choice"]}, "`kind`: Input should be a valid string."),
    "an empty question": ({"question": "  "}, "The question is empty. Ask something, in plain words."),
    "a question that is no text": ({"question": {"text": "Who?"}}, "`question`: Input should be a valid string."),
    "a long question": ({"question": "?" * 30_000}, "The question or an option has 30,000 characters."),
    "a scheme of its own": ({"videos": ["file:///etc/passwd"]}, "it lies outside the folders that may be read."),
}


@pytest.mark.parametrize(("changes", "says"), BAD.values(), ids=BAD)
async def test_an_error_in_the_arguments_is_a_message_and_the_other_calls_survive(changes, says):
    found = await replies(calls(GOOD, GOOD | changes, GOOD))
    assert [found[name].status for name in ("c0", "c1", "c2")] == ["success", "error", "success"]
    assert says in found["c1"].text and found["c1"].text.endswith(CORRECT) and found["c1"].artifact is None
    assert found["c0"].text.startswith(ANSWERED) and Trajectory.model_validate(found["c2"].artifact).answer


async def test_missing_and_unknown_arguments_are_named():
    found = await replies(calls({}, {"videos": ["a.mp4"]}, {"question": "Who?"}, GOOD | {"fps": 2}))
    assert [found[f"c{n}"].status for n in range(4)] == ["error", "error", "error", "success"]
    assert "`question`: Field required." in found["c0"].text and "`videos`: Field required." in found["c0"].text
    assert "`kind` (one of auto, choice, choices, order, interval, number, text)" in found["c1"].text


@pytest.mark.parametrize(
    "changes",
    [
        {"videos": "a.mp4"},
        {"videos": '["a.mp4", "b.mp4"]'},
        {"options": '["the first", "the second"]'},
        {"options": {"A": "the first", "B": "the second"}},
        {"kind": None},
        {"kind": "Choice"},
        {"kind": ""},
        {"question": "Which\ud800?"},
    ],
)
async def test_forms_with_a_plain_meaning_are_read(changes):
    found = await replies(calls(GOOD | changes))
    assert found["c0"].text.startswith(ANSWERED)


async def test_null_options_are_no_options():
    found = await replies(calls(GOOD | {"options": None}))
    assert found["c0"].text == "Answer: red"


async def test_create_agent_continues_after_an_error_with_a_checkpointer():
    boss = FakeMaster(turns=[calls({"question": "Who?", "videos": ["x.mp4"]}, GOOD), calls(GOOD), AIMessage("Done.")])
    app = create_agent(boss, tools=[tool()], checkpointer=InMemorySaver())
    output = await app.ainvoke({"messages": [("user", "ask")]}, {"configurable": {"thread_id": "t"}})
    found = [message for message in output["messages"] if isinstance(message, ToolMessage)]
    assert [message.status for message in found] == ["error", "success", "success"]
    assert boss.seen[1][-2].text == found[0].text and output["messages"][-1].text == "Done."


def test_the_tool_runs_without_an_event_loop():
    boss = FakeMaster(turns=[calls(GOOD, GOOD | {"options": ["one"]}), AIMessage("Done.")])
    output = create_agent(boss, tools=[tool()]).invoke({"messages": [("user", "ask")]})
    found = [message for message in output["messages"] if isinstance(message, ToolMessage)]
    assert [message.status for message in found] == ["success", "error"]
    assert tool().invoke({"type": "tool_call", "name": "ask_videos", "args": GOOD, "id": "1"}).text.startswith(ANSWERED)


async def test_in_a_running_loop_the_error_names_ainvoke():
    with pytest.raises(SetupError, match=r"await tool\.ainvoke"):
        tool().invoke({"type": "tool_call", "name": "ask_videos", "args": GOOD, "id": "1"})


@pytest.mark.parametrize("error", [SetupError("No key."), BugError("Broken."), RuntimeError("odd")])
async def test_errors_of_the_set_up_and_of_the_library_are_raised(error):
    class Broken(FakePerception):
        async def probe(self, video, number):
            raise error

    with pytest.raises(type(error)):
        await replies(calls(GOOD), tool(Broken()))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"context": {"max_turns": 3}}, "`context` of as_tool is {'max_turns': 3} (dict). Pass CVRContext(...)."),
        ({"access": "/videos"}, "`access` of as_tool is '/videos' (str). Pass Access(...)."),
        ({"graph": create_cvr_graph(FakeMaster(turns=[]), FakePerception())}, "not a compiled graph. Call .compile()"),
    ],
)
def test_an_argument_of_the_wrong_type_is_an_error_before_any_call(changes, says):
    graph = create_cvr_graph(FakeMaster(turns=[]), FakePerception()).compile()
    with pytest.raises(SetupError) as caught:
        as_tool(**{"graph": graph, **changes})
    assert says in str(caught.value)


async def test_a_server_that_fails_is_a_message():
    class Gone(FakePerception):
        async def probe(self, video, number):
            raise InfrastructureError("The archive does not answer.", fix="Try again later.")

    found = await replies(calls(GOOD), tool(Gone()))
    assert found["c0"].status == "error" and found["c0"].text == "The archive does not answer. Try again later."


async def test_a_review_interrupts_the_agent_and_resumes():
    context = CVRContext(min_evidence=0, review_above_frames=1)
    cvr = create_cvr_graph(FakeMaster(turns=[look_then_answer] * 9), SomeFiles()).compile()
    boss = FakeMaster(turns=[calls(GOOD), AIMessage("Done.")])
    app = create_agent(boss, tools=[as_tool(cvr, context=context)], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    waiting = await app.ainvoke({"messages": [("user", "ask")]}, config)
    assert waiting["__interrupt__"]
    output = await app.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert output["messages"][-1].text == "Done." and output["messages"][-2].status == "success"


async def test_cancelling_passes_through():
    class Endless(FakePerception):
        async def observe(self, request, videos):
            looking.set()
            await asyncio.sleep(600)

    looking = asyncio.Event()
    task = asyncio.create_task(replies(calls(GOOD), tool(Endless())))
    await asyncio.wait_for(looking.wait(), 280)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
USED = tool(FakePerception(), turns=[look_then_answer] * 20_000)


@settings(max_examples=60, deadline=None)
@given_values(question=JSON, videos=JSON, options=JSON, kind=JSON)
def test_any_json_as_arguments_is_a_reply(question, videos, options, kind):
    given = {"question": question, "videos": videos, "options": options, "kind": kind}
    reply = USED.invoke({"type": "tool_call", "name": "ask_videos", "args": given, "id": "1"})
    assert reply.status == "success" or reply.text.endswith(CORRECT)


async def test_a_validation_error_of_a_perception_is_no_error_in_the_arguments():
    class Broken(FakePerception):
        async def probe(self, video, number):
            return CVRContext.model_validate(0)

    with pytest.raises(BugError, match="ValidationError of CVRContext"):
        await replies(calls(GOOD), tool(Broken()))
