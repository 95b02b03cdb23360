"""A thread stays usable: calls that a cancelled run left without replies are closed before the next question.

The endpoint rejects what OpenAI's rejects: tool calls that are not directly followed by one reply to each.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentcvr_graph import CVRContext, create_cvr_graph, resolve_chat_model
from agentcvr_graph.graph.dialects import answered_calls
from agentcvr_graph.graph.policy_messages import policy_messages
from agentcvr_graph.graph.prompts import CANCELLED
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, observe, turn
from tests.support.stub_endpoint import Reply, StubEndpoint

QUESTION = {"question": "Which is red?", "videos": ["a.mp4", "b.mp4"], "options": ["the first", "the second"]}
CONFIG = {"configurable": {"thread_id": "t"}}
LOOKS = turn("", observe((1, 0, 10, 4), id="x"), observe((2, 0, 10, 64), id="y"))


def called(*ids):
    return AIMessage("", tool_calls=[{"name": "observe", "args": {}, "id": one} for one in ids])


def replied(one, text="seen"):
    return ToolMessage(text, tool_call_id=one)


def shape(messages):
    """Return the messages in short: `call x,y`, `x`, `x cancelled`, `human`."""
    return [
        f"call {','.join(call['id'] for call in one.tool_calls)}"
        if isinstance(one, AIMessage)
        else f"{one.tool_call_id}{' cancelled' if one.text == CANCELLED else ''}"
        if isinstance(one, ToolMessage)
        else one.type
        for one in messages
    ]


HUMAN = HumanMessage("next")


@pytest.mark.parametrize(
    ("messages", "becomes"),
    [
        ([called("x")], ["call x", "x cancelled"]),
        ([called("x"), HUMAN], ["call x", "x cancelled", "human"]),
        ([called("x"), HUMAN, replied("x")], ["call x", "x", "human"]),
        ([called("x", "y", "z"), replied("z"), HUMAN], ["call x,y,z", "x cancelled", "y cancelled", "z", "human"]),
        ([called("x", "y"), replied("y"), replied("x"), HUMAN], ["call x,y", "y", "x", "human"]),
        ([called("x"), HUMAN, called("y"), replied("y")], ["call x", "x cancelled", "human", "call y", "y"]),
        ([called("x", "x"), replied("x"), HUMAN], ["call x,x", "x", "x cancelled", "human"]),
        ([called("x"), replied("other"), HUMAN], ["call x", "x cancelled", "human"]),
        ([SystemMessage("s"), HUMAN, called("x"), replied("x")], ["system", "human", "call x", "x"]),
        ([AIMessage("no call"), HUMAN], ["call ", "human"]),
        ([HUMAN], ["human"]),
        ([], []),
    ],
)
def test_every_call_gets_one_reply_directly_after_it(messages, becomes):
    assert shape(answered_calls(messages)) == becomes
    assert answered_calls(answered_calls(messages)) == answered_calls(messages)


def test_an_unreadable_call_gets_a_reply_too():
    broken = AIMessage("", invalid_tool_calls=[{"name": "observe", "args": "{", "id": "b", "error": None}])
    assert shape(answered_calls([broken, HUMAN]))[1:] == ["b cancelled", "human"]


def obeys(body):
    """Return whether the messages of a request obey OpenAI's rule."""
    open_ids: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                return False
            open_ids.remove(message["tool_call_id"])
        elif open_ids:
            return False
        else:
            open_ids = [call["id"] for call in message.get("tool_calls") or ()]
    return not open_ids


class Endpoint:
    """A server that looks first, then answers, and enforces the rule."""

    def __init__(self):
        self.rejected = 0

    def __call__(self, number, body):
        if not obeys(body):
            self.rejected += 1
            return Reply(status=400, body=b'{"error": {"message": "tool_call_ids did not have response messages"}}')
        look = {"targets": [{"video": 1, "start_s": 0, "end_s": 10, "frames": 4}]}
        if body["messages"][-1]["role"] == "user":
            return Reply("", tool=("observe", look))
        return Reply("", tool=("answer", {"value": "A"}))


class Stuck(FakePerception):
    """A perception whose first look does not end before its run is cancelled."""

    def __init__(self):
        super().__init__()
        self.begun, self.free = asyncio.Event(), False

    async def observe(self, request, videos):
        self.begun.set()
        if not self.free:
            await asyncio.Event().wait()
        return await super().observe(request, videos)


@pytest.mark.enable_socket
@pytest.mark.parametrize("way", ["cancelled", "over an interrupt", "cancelled twice"])
async def test_a_server_that_enforces_the_rule_accepts_the_next_question(way, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rule, perception = Endpoint(), Stuck()
    with StubEndpoint(rule) as server:
        model = resolve_chat_model(f"{server.url}#stub")
        app = create_cvr_graph(model, perception).compile(checkpointer=InMemorySaver())
        settings = {"min_evidence": 0} | ({"review_above_frames": 1} if way == "over an interrupt" else {})
        for _ in range(2 if way == "cancelled twice" else 1):
            perception.begun.clear()
            task = asyncio.create_task(app.ainvoke(QUESTION, CONFIG, context=CVRContext(**settings)))
            if way == "over an interrupt":
                assert (await task)["__interrupt__"]
                continue
            await perception.begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        perception.free = True
        output = await app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0))
    assert rule.rejected == 0 and output["answer"].value == "A"
    cancelled = [message for message in policy_messages(output) if message.text == CANCELLED]
    assert len(cancelled) == (2 if way == "cancelled twice" else 1)
    assert obeys({"messages": [as_request(message) for message in policy_messages(output)]})


def as_request(message):
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id}
    return {"role": message.type, "tool_calls": getattr(message, "tool_calls", [])}


async def test_a_half_finished_turn_is_closed_in_the_order_of_its_calls():
    """The first look is done and the second waits for approval; then a new question comes."""
    master = FakeMaster(turns=[LOOKS, turn("", answer("A", id="end"))])
    app = create_cvr_graph(master, FakePerception()).compile(checkpointer=InMemorySaver())
    context = CVRContext(min_evidence=0, review_above_frames=32)
    assert (await app.ainvoke(QUESTION, CONFIG, context=context))["__interrupt__"]
    output = await app.ainvoke(QUESTION | {"question": "Which is round?"}, CONFIG, context=context)
    assert output["answer"].value == "A"
    names = [one.split()[0] for one in shape(policy_messages(output))]
    assert names == ["system", "human", "call", "x", "y", "human", "call", "end"]
    assert json.loads(json.dumps(policy_messages(output)[4].text)) == CANCELLED


async def test_an_answer_that_was_not_recorded_is_closed():
    app = create_cvr_graph(
        FakeMaster(turns=[turn("", answer("A", id="first")), turn("", answer("B", id="second"))]), FakePerception()
    ).compile(checkpointer=InMemorySaver(), interrupt_before=["conclude"])
    await app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0))
    await app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0))
    output = await app.ainvoke(None, CONFIG)
    assert shape(policy_messages(output))[2:] == ["call first", "first cancelled", "human", "call second", "second"]


async def test_a_message_that_a_client_puts_before_the_replies_does_not_stop_the_run():
    master = FakeMaster(turns=[turn("", observe((1, 0, 10, 4), id="x")), turn("", answer("A"))])
    app = create_cvr_graph(master, FakePerception()).compile(
        checkpointer=InMemorySaver(), interrupt_before=["visual_agent"]
    )
    await app.ainvoke(QUESTION, CONFIG, context=CVRContext(min_evidence=0))
    await app.aupdate_state(CONFIG, {"policy_messages": [HumanMessage("Enough.")]}, as_node="visual_agent")
    output = await app.ainvoke(None, CONFIG)
    assert output["answer"].value == "A"
    assert shape(master.seen[1])[2:] == ["call x", "x cancelled", "human"]
